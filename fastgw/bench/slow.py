"""Slow clients: connections that ask for 1 MiB and read a byte at a time."""

from __future__ import annotations

import socket
import threading

from fastgw.bench.messages import request

COUNT = 200
EVERY_S = 0.02


class SlowReaders(threading.Thread):
    """Holds `count` of them on a port while it is a context; each reads a byte every 20 ms."""

    def __init__(self, port: int, count: int = COUNT) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.sockets = [self._open(port) for _ in range(count)]

    @staticmethod
    def _open(port: int) -> socket.socket:
        """A client whose window is small, so that the gateway has to hold the answer."""
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(5)
        s.connect(("127.0.0.1", port))
        s.sendall(request("/bytes/1048576", "slow.example.com"))
        s.setblocking(False)
        return s

    def run(self) -> None:
        """Read, until the context ends."""
        while not self.over.wait(EVERY_S):
            for s in self.sockets:
                try:
                    s.recv(1)
                except OSError:
                    continue

    def __enter__(self) -> SlowReaders:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        self.join()
        for s in self.sockets:
            s.close()
