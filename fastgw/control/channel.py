"""What master and control say to each other, over one socket pair.

Messages are those of fastgw/master/messages.py: length-prefixed msgpack maps with a `type`.
A message may bring descriptors; `fds` names them, in order. Whoever asks gives an `id`;
the answer, of type `answer`, bears the same.

master says
    hello       settings {...}; fds: `doorbell`, `statistics`; first of all
    listen      fds: `admin`, `admin-tcp-0`, `metrics-0` ... as far as there are: serve them.
                After an upgrade it comes when the older gateway leaves
    unlisten    another gateway serves them from now on
    ring        fds: `ring`; one more ring of log lines, to be drained from now on
    workers     workers [{slot, pid, state, started_s, restarts}], totals {worker_restarts,
                reloads, reload_failures, control_restarts, start_time_seconds,
                statistics_rows}; whenever one changes
    generation  number, hash, source {file, options}, loaded_s; fds: `plan`
    segment     name; fds: `segment`; what an earlier control process has published
    resolve     hosts; look these names up, the next configuration needs them
    drain       the gateway accepts no more
    reopen      open the log's file again (USR1)
    answer      id, ok, text [...] or what was asked for
    end         write what is there and end

control says
    ready       pid; it serves
    reload      id; compile the source again and switch
    put_config  id; fds: `config`, a text to be switched to instead of the source's file
    log_level   id, level
    resolved    each of the names of the last `resolve` was looked up once
    connections id, pid, after, limit; a worker's connections: `connections` [...], or ok
                False, with `gone` if there is no such worker
    publish     name; fds: `segment`, which all workers get (fastgw/master/published.py)

A master that is gone (the end of the stream) means: write what is there and end. The rings
stay with the workers, so that the next control process finds what they wrote meanwhile.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from fastgw.master.messages import Inbox, Message, pack

ANSWER_S = 60.0


class MasterGone(Exception):
    """The master does not answer, or is no more."""


class Channel:
    """Control's end: tells `on_message(message, fds)`, and `on_end()` once."""

    def __init__(
        self,
        sock: socket.socket,
        on_message: Callable[[Message, dict[str, int]], None],
        on_end: Callable[[], None],
    ) -> None:
        self.sock = sock
        self.on_message, self.on_end = on_message, on_end
        self._inbox = Inbox()
        self._ids = count(1)
        self._asked: dict[int, asyncio.Future[Message]] = {}
        sock.setblocking(False)
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable)

    def _readable(self) -> None:
        messages = self._inbox.receive(self.sock)
        for message in messages or ():
            self._take(message)
        if messages is None:
            self.close()
            self.on_end()

    def _take(self, message: Message) -> None:
        fds = message["fds"]
        if message["type"] == "answer":
            future = self._asked.pop(message.get("id", 0), None)
            if future is not None and not future.done():
                future.set_result(message)
        else:
            self.on_message(message, fds)

    def say(self, kind: str, fds: Mapping[str, int] | None = None, **fields: object) -> None:
        """Tell the master; `fds` are descriptors by name. It reads all the time, so that the
        socket has room; if not, it is as good as gone."""
        named = fds or {}
        try:
            socket.send_fds(
                self.sock, [pack(kind, fds=list(named), **fields)], list(named.values())
            )
        except OSError as e:
            raise MasterGone(f"the master does not listen: {e.strerror}") from e

    async def ask(
        self, kind: str, fds: Mapping[str, int] | None = None, **fields: object
    ) -> Message:
        """Tell the master and wait for its answer; MasterGone if there is none in time."""
        number = next(self._ids)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            self.say(kind, fds, id=number, **fields)
            return await asyncio.wait_for(future, ANSWER_S)
        except TimeoutError:
            raise MasterGone(f"the master has not answered within {ANSWER_S:g} s") from None
        finally:
            self._asked.pop(number, None)

    def close(self) -> None:
        """Stop listening; whoever waits for an answer is told."""
        if self.sock.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self.sock.fileno())
        self.sock.close()
        self._inbox.close()
        for future in self._asked.values():
            if not future.done():
                future.set_exception(MasterGone("the master is gone"))


def as_socket(fd: int) -> socket.socket:
    """A socket object for a descriptor that was received."""
    return socket.socket(fileno=fd)


def fields_of(message: Message) -> dict[str, Any]:
    """What a message says besides its type and the names of its descriptors."""
    return {k: v for k, v in message.items() if k not in ("type", "fds")}
