"""Signals only enqueue: a byte each on a socket that the master's loop polls."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator

HANDLED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGCHLD,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


def _enqueue(_number: int, _frame: object) -> None:
    """The interpreter has written the number to the wake-up socket; no more is done here."""


class SignalQueue:
    """The names of signals that came, in order."""

    def __init__(self) -> None:
        self.reader, self._writer = socket.socketpair()
        self.reader.setblocking(False)
        self._writer.setblocking(False)
        self._before = {n: signal.signal(n, _enqueue) for n in HANDLED}
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def taken(self) -> Iterator[str]:
        """Every name that has come since the last call: `term`, `chld`, ..."""
        try:
            numbers = self.reader.recv(4096)
        except BlockingIOError:
            return
        for number in numbers:
            yield signal.Signals(number).name.removeprefix("SIG").lower()

    def close(self) -> None:
        """Give the signals back to whoever had them."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self.reader.close()
        self._writer.close()

    def forget(self) -> None:
        """In a forked worker: default handlers, and no byte of ours in the master's queue."""
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            signal.signal(number, signal.SIG_DFL)
        self.reader.close()
        self._writer.close()
