"""A gateway with TLS in the test's process, and clients that can do what tests need."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastgw.config.tls import ListenTls, UpstreamTls
from fastgw.ext.io.tls.tickets import TicketKeys
from fastgw.plan import Listener, ObjectSpec, Route
from fastgw.tls.listener import listener_options
from fastgw.tls.material import TlsMaterial
from fastgw.tls.tickets import NodeTickets
from fastgw.tls.upstream import upstream_options
from tests.foreign import environment
from tests.scenario.client import Client
from tests.scenario.gateway import Gateway
from tests.tls.authority import Authority

DEADLINE_S = 10.0
GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


@dataclass
class Said:
    """What was found wrong."""

    rows: list[tuple[tuple[str | int, ...], str, str]] = field(default_factory=list)

    def __call__(self, where: tuple[str | int, ...], code: str, message: str) -> None:
        self.rows.append((where, code, message))


def options_of(folder: Path, **tls: Any) -> dict[str, Any]:
    """A listener's options; nothing may be wrong with them."""
    said = Said()
    found = listener_options(ListenTls.model_validate(tls), folder, said)
    assert found is not None, said.rows
    return found


def upstream_of(folder: Path, **tls: Any) -> dict[str, Any]:
    """An upstream's options; nothing may be wrong with them."""
    said = Said()
    found = upstream_options(UpstreamTls.model_validate(tls), folder, said)
    assert found is not None, said.rows
    return found


def material(*options: Mapping[str, Any], keys: TicketKeys | None = None) -> TlsMaterial:
    """What a worker is handed for these options."""
    files = {
        digest: Path(path).read_bytes() for one in options for digest, path in one["files"].items()
    }
    return TlsMaterial(files, keys or NodeTickets().keys())


def https(
    route: Route | ObjectSpec,
    folder: Path,
    keys: TicketKeys | None = None,
    upstreams: tuple[Mapping[str, Any], ...] = (),
    listener: Mapping[str, Any] | None = None,
    trusted: tuple[str, ...] = (),
    log: dict[str, Any] | None = None,
    **tls: Any,
) -> Gateway:
    """A gateway whose one listener has TLS; `listener`: what else it is told."""
    options = options_of(folder, **tls)
    return Gateway(
        route,
        listeners=(Listener("https", "127.0.0.1:0", {"tls": options, **(listener or {})}),),
        trusted_proxies=trusted,
        log=log,
        tls=material(options, *upstreams, keys=keys),
    )


def trusting(
    authority: Authority,
    *,
    version: ssl.TLSVersion | None = None,
    cert: tuple[str, str] | None = None,
    alpn: tuple[str, ...] = ("http/1.1",),
) -> ssl.SSLContext:
    """A client's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.cert.decode())
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if cert is not None:
        context.load_cert_chain(*cert)
    return context


class SecureClient(Client):
    """The raw client of tests/scenario, over TLS."""

    def __init__(
        self,
        address: tuple[str, int],
        context: ssl.SSLContext,
        name: str | None = "a.example",
        session: ssl.SSLSession | None = None,
        receive_buffer: int = 0,
    ) -> None:
        super().__init__(address, receive_buffer)
        if name is None:
            context.check_hostname = False
        self.socket: ssl.SSLSocket
        raw = self.socket
        try:
            self.socket = context.wrap_socket(raw, server_hostname=name, session=session)
        except BaseException:
            raw.close()
            raise

    @property
    def certificate(self) -> dict[str, Any]:
        """What the gateway has shown."""
        found = self.socket.getpeercert()
        assert found is not None
        return dict(found)

    @property
    def names(self) -> set[str]:
        """The host names of its certificate."""
        return {name for kind, name in self.certificate["subjectAltName"] if kind == "DNS"}


def s_client(
    address: tuple[str, int], *options: str, say: bytes = b"", name: str = "a.example"
) -> str:
    """What `openssl s_client` prints; `say` is sent, then its input ends."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{address[0]}:{address[1]}", "-servername", name,
         *options],
        input=say,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
        env=environment(),
    )  # fmt: skip
    return (done.stdout + done.stderr).decode("latin-1")


def hello_of(context: ssl.SSLContext, name: str = "a.example") -> tuple[bytes, Any, Any, Any]:
    """A ClientHello as bytes, and the session and memory that go on from it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read(), session, incoming, outgoing


def shake_by_hand(
    address: tuple[str, int],
    context: ssl.SSLContext,
    send: Callable[[socket.socket, bytes], None],
    first: bytes = GET,
) -> bytes:
    """A handshake and one request whose every byte goes through `send`; the answer's start."""
    flight, session, incoming, outgoing = hello_of(context)
    with socket.create_connection(address, DEADLINE_S) as s:
        send(s, flight)
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                if rest := outgoing.read():
                    send(s, rest)
                data = s.recv(65536)
                assert data, "closed in the handshake"
                incoming.write(data)
        session.write(first)
        send(s, outgoing.read())
        while True:
            try:
                answer: bytes = session.read(65536)
                return answer
            except ssl.SSLWantReadError:
                data = s.recv(65536)
                assert data, "closed before the answer"
                incoming.write(data)
