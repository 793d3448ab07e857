"""An origin in a thread, and loads on it."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastgw.bench.result import summary
from fastgw.bench.scenario import origin_answers
from fastgw.ext.load.load import Load
from fastgw.ext.load.origin import Origin
from fastgw.ext.load.script import Script

DEADLINE_S = 20.0


@contextmanager
def running_origin(**options: int) -> Iterator[int]:
    """The port of an origin with every answer of the scenarios."""
    origin = Origin([(a.target.encode(), *a[1:]) for a in origin_answers()], **options)
    thread = threading.Thread(target=origin.run, daemon=True)
    thread.start()
    try:
        yield origin.port
    finally:
        origin.halt()
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def script(*requests: tuple[bytes, bytes | None], status: int = 0) -> Script:
    """Requests in turn, each with the body that must come."""
    made = Script()
    for data, body in requests:
        made.add(data, body, status)
    made.mix(list(range(len(requests))))
    return made


def put(port: int, what: Script, seconds: float = 0.15, **options: Any) -> dict[str, Any]:
    """Run a load; its summary."""
    load = Load(("127.0.0.1", port), what, **options)
    load.run(seconds)
    return summary([load])


class Peer(threading.Thread):
    """A server of few words: `serve` gets each connection; wrapped in TLS with a certificate."""

    def __init__(
        self, serve: Callable[[socket.socket], None], certificate: Path | None = None
    ) -> None:
        super().__init__(daemon=True)
        self.serve = serve
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self.listener.getsockname()[1]
        self.context: ssl.SSLContext | None = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)

    def run(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(sock,), daemon=True).start()

    def _one(self, sock: socket.socket) -> None:
        try:
            sock.settimeout(DEADLINE_S)
            if self.context is not None:
                sock = self.context.wrap_socket(sock, server_side=True)
            with sock:
                self.serve(sock)
        except OSError:
            return

    def __enter__(self) -> Peer:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join(DEADLINE_S)


def answering(*answers: bytes) -> Callable[[socket.socket], None]:
    """Answers the requests of a connection one by one with these bytes, then ends it."""

    def serve(sock: socket.socket) -> None:
        for text in answers:
            got = b""
            while b"\r\n\r\n" not in got:
                piece = sock.recv(65536)
                if not piece:
                    return
                got += piece
            sock.sendall(text)

    return serve


def make_certificate(folder: Path) -> Path:
    """A self-signed certificate with its key, for 127.0.0.1 and localhost."""
    both, key = folder / "both.pem", folder / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", key, "-out", both,
        ],
        check=True, capture_output=True, timeout=DEADLINE_S,
    )  # fmt: skip
    both.write_bytes(both.read_bytes() + key.read_bytes())
    return both
