"""Messages between the master (the hub) and each of its processes.

Length-prefixed msgpack maps with a `type`, over one socketpair a process. A message may
carry descriptors (SCM_RIGHTS); its `fds` names them, in order. Who says what:

    worker   hello, ready, failed, draining, stats, connections, prepared {generation},
             refused {generation, text}, switched {generation, took_us}
    master   drain, retire, begin, stats, connections {id, after, limit},
             segment {name} and its fd, prepare {generation} and fd `plan`, forget {generation},
             switch {generation, indexes} and a fd for each new listener,
             accept {key, index} and a fd: serve a sibling's queue; unaccept {key}
    any      publish {name, version} and its fd: the master keeps the newest of each name and
             sends it on, as `segment`, to all others and to everyone who comes later

What control says and is told stands in fastgw/control/channel.py.
"""

from __future__ import annotations

import os
import socket
import struct
from array import array
from collections.abc import Mapping
from typing import Any

import msgpack

#: A length above this is a broken peer, not a message.
MOST_BYTES = 1 << 20
#: Descriptors that are taken with one receive.
MOST_FDS = 64
#: Bytes taken with one receive.
READ_BYTES = 65536
_LENGTH = struct.Struct("<I")
_FD = array("i")

Message = dict[str, Any]


class BrokenMessage(Exception):
    """The peer sent something that is no message."""


def pack(kind: str, **fields: object) -> bytes:
    """A message as it goes over the socket."""
    body: bytes = msgpack.packb({"type": kind, **fields})
    return _LENGTH.pack(len(body)) + body


class Inbox:
    """Puts the messages of a byte stream together."""

    def __init__(self) -> None:
        #: Why the peer can't be understood; empty: it can.
        self.broken = ""
        self._held = bytearray()
        self._fds: list[int] = []

    def receive(self, sock: socket.socket) -> list[Message] | None:
        """The messages that are whole after one receive from a socket that does not block, with
        their descriptors; None at the end: the peer is gone, or what it sent is no message."""
        try:
            data, fds = receive(sock)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        try:
            return self.feed(data, fds)
        except BrokenMessage as e:
            self.broken = str(e)
            return None

    def feed(self, data: bytes, fds: list[int] | None = None) -> list[Message]:
        """Every message that is whole now. With `fds`, the descriptors that came with the
        bytes, a message's `fds` is {name: descriptor}; those are the caller's to close."""
        self._held += data
        self._fds += fds or []
        found: list[Message] = []
        while len(self._held) >= _LENGTH.size:
            (n,) = _LENGTH.unpack_from(self._held)
            if n > MOST_BYTES:
                raise BrokenMessage(f"a message of {n} bytes")
            if len(self._held) < _LENGTH.size + n:
                break
            message = unpack(bytes(self._held[_LENGTH.size : _LENGTH.size + n]))
            del self._held[: _LENGTH.size + n]
            found.append(message if fds is None else self._with_fds(message))
        return found

    def _with_fds(self, message: Message) -> Message:
        """Descriptors came, at the latest, with the message's last byte."""
        names = message.get("fds", [])
        if not isinstance(names, list) or len(names) > len(self._fds):
            raise BrokenMessage(f"{message['type']}: fds {names!r}, {len(self._fds)} came")
        message["fds"] = dict(zip(names, self._fds, strict=False))
        del self._fds[: len(names)]
        return message

    def close(self) -> None:
        """Close the descriptors of messages that never became whole."""
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()


def unpack(body: bytes) -> Message:
    """One message's map."""
    try:
        message = msgpack.unpackb(body)
    except Exception as e:  # msgpack raises a family of its own
        raise BrokenMessage(str(e)) from e
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise BrokenMessage("not a map with a type")
    return message


def send(sock: socket.socket, data: bytes, fds: list[int]) -> int:
    """Send some of the bytes, all descriptors with the first; how many bytes were taken."""
    return socket.send_fds(sock, [data], fds) if fds else sock.send(data)


def receive(sock: socket.socket) -> tuple[bytes, list[int]]:
    """Bytes and descriptors that have come, close-on-exec; b"" at the end.

    Not by `socket.recv_fds`, which does not pass its flags on: a program that is started
    would inherit every key and socket that was ever handed over."""
    space = socket.CMSG_SPACE(MOST_FDS * _FD.itemsize)
    data, extra, _, _ = sock.recvmsg(READ_BYTES, space, socket.MSG_CMSG_CLOEXEC)
    fds = array("i")
    for level, kind, content in extra:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % _FD.itemsize])
    return data, list(fds)


class Outbox:
    """Messages on their way to a peer that may be slow; it never makes the sender wait."""

    #: A peer that has so much to read is not reading.
    BYTES_MOST = 16 << 20

    def __init__(self) -> None:
        self._waiting: list[tuple[bytes, list[int]]] = []
        self._bytes = 0

    def put(self, kind: str, fds: Mapping[str, int] | None = None, **fields: object) -> None:
        """Queue a message; its descriptors are copied and stay the caller's."""
        named = fds or {}
        if named:
            fields["fds"] = list(named)
        data = pack(kind, **fields)
        self._bytes += len(data)
        if self._bytes > self.BYTES_MOST:
            raise BrokenMessage(f"{self._bytes} bytes wait for a peer that does not read")
        self._waiting.append((data, [os.dup(fd) for fd in named.values()]))

    def flush(self, sock: socket.socket) -> bool:
        """Send what the peer takes; whether everything is gone."""
        while self._waiting:
            data, fds = self._waiting[0]
            try:
                n = send(sock, data, fds)
            except BlockingIOError:
                return False
            self._bytes -= n
            for fd in fds:
                os.close(fd)
            if n < len(data):
                self._waiting[0] = (data[n:], [])
            else:
                del self._waiting[0]
        return True

    @property
    def waits(self) -> bool:
        """Something is not sent yet."""
        return bool(self._waiting)

    def close(self) -> None:
        """Give up what was not sent."""
        for _, fds in self._waiting:
            for fd in fds:
                os.close(fd)
        self._waiting.clear()
        self._bytes = 0
