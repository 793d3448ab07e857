"""What produces the reasons of TLS, for tests/scenario/test_reasons.py: each returns the log's
line and the client's answer, both None where there was no request."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.scenario.client import Answer, Client
from tests.scenario.gateway import Gateway, upstream
from tests.scenario.origin import answering
from tests.tls.authority import Authority, Issued
from tests.tls.kit import DEADLINE_S, GET, SecureClient, https, trusting
from tests.tls.test_upstream import before, closing, server_context

Told = tuple[dict[str, Any] | None, Answer | None]


def _of_listener(send: bytes, counter: str, **tls: Any) -> Told:
    """A connection that never becomes one; there is no request to log."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        cert, key = Authority().issue("a.example").write(folder, "a")
        with https(upstream(), folder, cert=cert, key=key, **tls) as gw:
            with socket.create_connection(gw.address, DEADLINE_S) as s:
                s.sendall(send)
                while s.recv(100):
                    pass
            assert gw.counters()[counter] == 1
    return None, None


def tls_failed() -> Told:
    """Something else than TLS."""
    return _of_listener(GET, "tls_failed")


def tls_timeout() -> Told:
    """Nothing."""
    return _of_listener(b"", "tls_timed_out", handshake_timeout="80ms")


def misdirected() -> Told:
    """A request for a name that demands certificates, over another name's connection."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        authority = Authority()
        authority.issue("a.example", "b.example").write(folder, "a")
        (folder / "ca").write_bytes(authority.cert)
        names = {"b.example": {"client": {"mode": "require", "ca": "ca"}}}
        with https(upstream(), folder, certificates=["a.pem"], names=names) as gw:
            with SecureClient(gw.address, trusting(authority)) as c:
                answer = c.send(GET.replace(b"a.example", b"b.example")).answer()
            return gw.record(), answer


def _of_upstream(issue: Callable[[Authority], Issued], **tls: Any) -> Told:
    """A request to an upstream with this certificate."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        authority = Authority()
        context = server_context(issue(authority), folder)
        with before(context, authority, folder, answering(), **tls) as (gw, _):
            return _asked(gw)


def _asked(gw: Gateway) -> Told:
    with Client(gw.address) as c:
        answer = c.send(GET).answer()
    return gw.record(), answer


def _revoked() -> Told:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        authority = Authority()
        issued = authority.issue("origin.example")
        (folder / "crl").write_bytes(authority.crl(issued))
        with before(server_context(issued, folder), authority, folder, crl="crl") as (gw, _):
            return _asked(gw)


def _no_tls() -> Told:
    from tests.scenario.origin import Origin
    from tests.tls.kit import material, upstream_of
    from tests.tls.test_upstream import secure_upstream

    with tempfile.TemporaryDirectory() as made:
        options = upstream_of(Path(made))
        with Origin(closing) as origin:
            target = secure_upstream(origin.address, "origin.example", options)
            with Gateway(target, tls=material(options)) as gw:
                return _asked(gw)


PRODUCERS: dict[str, Callable[[], Told]] = {
    "tls_failed": tls_failed,
    "tls_timeout": tls_timeout,
    "misdirected": misdirected,
    "upstream_tls_failed": _no_tls,
    "upstream_cert_expired": lambda: _of_upstream(
        lambda a: a.issue("origin.example", begins=-9, ends=-1)
    ),
    "upstream_cert_untrusted": lambda: _of_upstream(lambda a: Authority().issue("origin.example")),
    "upstream_cert_name": lambda: _of_upstream(lambda a: a.issue("x.example")),
    "upstream_cert_refused": _revoked,
}
