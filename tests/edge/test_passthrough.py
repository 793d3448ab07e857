"""Connections that are carried by name: looked at, never ended; and PROXY headers before TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.edge.kit import GET, SIGNATURE, v1, v2
from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Listener, route_to, upstream
from tests.scenario.origin import Origin, Peer
from tests.tls.authority import Authority
from tests.tls.kit import SecureClient, material, options_of, trusting

DEADLINE_S = 10.0


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Whom the clients trust."""
    return Authority()


class SecureServer:
    """A TLS server of one name that sends back what it gets, in capitals, until the end."""

    def __init__(self, authority: Authority, folder: Path, name: str, lines: int = 0) -> None:
        cert, key = authority.issue(name).write(folder, name)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.lines = lines
        self.said: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(DEADLINE_S)
        self.address: tuple[str, int] = self.listener.getsockname()
        self.threads: list[threading.Thread] = []

    def __enter__(self) -> SecureServer:
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()
        return self

    def accept(self) -> None:
        """One thread a connection."""
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self.listener.accept()
                raw.settimeout(DEADLINE_S)
                t = threading.Thread(target=self.serve, args=(raw,), daemon=True)
                t.start()
                self.threads.append(t)

    def serve(self, raw: socket.socket) -> None:
        """Read the lines that come before TLS, if any should; then echo."""
        with contextlib.suppress(OSError), contextlib.closing(raw):
            for _ in range(self.lines):
                line = b""
                while not line.endswith(b"\n"):
                    line += raw.recv(1)
                self.said.append(line)
            with self.context.wrap_socket(raw, server_side=True) as s:
                while data := s.recv(65536):
                    s.sendall(data.upper())

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(DEADLINE_S)
        for t in self.threads:
            t.join(DEADLINE_S)


def to(*addresses: tuple[str, int], **options: Any) -> dict[str, Any]:
    """Options of a name that is carried to servers."""
    servers = [
        {"host": host, "port": port, "addresses": [[2, host, port]]} for host, port in addresses
    ]
    return {"servers": servers, **options}


def passing(passes: dict[str, Any], log: dict[str, Any] | None = None, **options: Any) -> Gateway:
    """A gateway that carries connections by name."""
    return Gateway(
        route_to(upstream()),
        log=log,
        listeners=(Listener("tls", "127.0.0.1:0", {"passthrough": passes, **options}),),
        trusted_proxies=("127.0.0.1/32",),
    )


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Iterator[SecureServer]:
    """db.example."""
    with SecureServer(authority, tmp_path, "db.example") as made:
        yield made


def test_the_client_speaks_with_the_server(authority: Authority, server: SecureServer) -> None:
    with passing({"db.example": to(server.address)}) as gw:
        c = SecureClient(gw.address, trusting(authority), "db.example")
        with c:
            assert c.certificate["subject"] == ((("commonName", "db.example"),),)
            for data in (b"hello", b"x" * 300_000):
                assert c.send(data).exactly(len(data)) == data.upper()
        now = gw.until(lambda n: n["connections"] == 0 and n.get("passes_live", 0) == 0, "over")
        assert now["passes_begun"] == 1


def test_a_line_for_a_connection(authority: Authority, server: SecureServer) -> None:
    """With the bytes of both directions."""
    with passing({"*.example": to(server.address)}) as gw:
        with SecureClient(gw.address, trusting(authority), "db.example") as c:
            assert c.send(b"x" * 100_000).exactly(100_000) == b"X" * 100_000
        line = gw.record(host="db.example")
    assert line["upstream"] == "*.example"
    assert line["endpoint"] == f"tcp://127.0.0.1:{server.address[1]}"
    assert (line["client"], line["status"]) == ("127.0.0.1", 0)
    # A client that does not read the server's last records ends with a reset.
    assert line["reason"] in ("", "client_reset")
    assert line["request_bytes"] > 100_000 and line["response_bytes"] > 100_000
    assert 0 <= line["connect_ms"] <= line["total_ms"]
    assert line["tries"] == 1
    assert "method" not in line and "path" not in line


def test_a_line_for_a_connection_that_no_server_took() -> None:
    with passing({"*": to(("127.0.0.1", 1))}, log={"format": "{protocol} {reason} {method}"}) as gw:
        with pytest.raises(OSError), Client(gw.address) as c:
            shaking = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), out := ssl.MemoryBIO())
            with contextlib.suppress(ssl.SSLWantReadError):
                shaking.do_handshake()
            c.send(out.read())
            c.socket.recv(1)
        assert gw.line() == "passthrough connect_refused -"


def test_a_name_of_a_server_that_has_no_address_yet(
    authority: Authority, server: SecureServer
) -> None:
    """Closed; carried once it has one."""
    named = {"host": "db.test", "port": server.address[1], "addresses": [], "named": True}
    with passing({"*": {"servers": [named]}}) as gw:
        with pytest.raises((ssl.SSLError, OSError)):
            SecureClient(gw.address, trusting(authority), "db.example").close()
        assert gw.record(reason="upstream_unresolved")
        gw.call(lambda: gw.worker.resolve({"db.test": [[2, "127.0.0.1"]]}))
        with SecureClient(gw.address, trusting(authority), "db.example") as c:
            assert c.send(b"yes").exactly(3) == b"YES"


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("db.example", "*.example", "*"), "db.example"),
        (("other.example", "*.example", "*"), "*.example"),
        (("other.example", "*"), "*"),
    ],
)
def test_the_closest_name_wins(
    authority: Authority, server: SecureServer, names: tuple[str, ...], taken: str
) -> None:
    dead = ("127.0.0.1", 1)
    with passing({n: to(server.address if n == taken else dead) for n in names}) as gw:
        with SecureClient(gw.address, trusting(authority), "db.example") as c:
            assert c.send(b"yes").exactly(3) == b"YES"


def test_a_name_that_nobody_takes(authority: Authority, server: SecureServer) -> None:
    with passing({"db.example": to(server.address)}) as gw:
        with pytest.raises((ssl.SSLError, OSError)):
            SecureClient(gw.address, trusting(authority), "x.example").close()
        assert gw.counters()["names_unknown"] == 1
        with Client(gw.address) as c:
            assert c.send(GET).at_end()
        with SecureClient(gw.address, trusting(authority), "db.example") as c:
            assert c.send(b"yes").exactly(3) == b"YES"


def test_other_names_are_the_listeners_own(
    authority: Authority, server: SecureServer, tmp_path: Path
) -> None:
    cert, key = authority.issue("a.example").write(tmp_path, "a")
    tls = options_of(tmp_path, cert=cert, key=key)
    with Origin() as origin:
        options = {"passthrough": {"db.example": to(server.address)}, "tls": tls}
        gateway = Gateway(
            route_to(upstream(origin.address)),
            listeners=(Listener("https", "127.0.0.1:0", options),),
            tls=material(tls),
        )
        with gateway as gw:
            with SecureClient(gw.address, trusting(authority), "a.example") as c:
                assert c.get("/", host="a.example").status == 200
            with SecureClient(gw.address, trusting(authority), "db.example") as c:
                assert c.send(b"yes").exactly(3) == b"YES"


def test_a_server_that_is_down_is_passed_over(authority: Authority, server: SecureServer) -> None:
    with passing({"*": to(("127.0.0.1", 1), server.address)}) as gw:
        for _ in range(4):
            with SecureClient(gw.address, trusting(authority), "db.example") as c:
                assert c.send(b"yes").exactly(3) == b"YES"
        assert "passes_failed" not in gw.counters()


def test_no_server_takes_it(authority: Authority) -> None:
    with passing({"*": to(("127.0.0.1", 1), ("127.0.0.1", 2))}) as gw:
        with pytest.raises(OSError):
            SecureClient(gw.address, trusting(authority), "db.example").close()
        now = gw.until(lambda n: n["connections"] == 0, "closed")
        assert now["passes_failed"] == 1


def shake(
    session: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, c: Client
) -> None:
    """The rest of a handshake whose first message was sent."""
    while True:
        try:
            session.do_handshake()
            return
        except ssl.SSLWantReadError:
            c.send(outgoing.read())
            incoming.write(c.socket.recv(65536))


def test_the_hello_may_come_in_pieces(authority: Authority, server: SecureServer) -> None:
    """Through a memory BIO, so that the hello can be cut."""
    with passing({"db.example": to(server.address)}) as gw:
        for step in (1, 7, 100):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            session = trusting(authority).wrap_bio(incoming, outgoing, server_hostname="db.example")
            with Client(gw.address) as c:
                with pytest.raises(ssl.SSLWantReadError):
                    session.do_handshake()
                hello = outgoing.read()
                for i in range(0, len(hello), step):
                    c.send(hello[i : i + step])
                    if i < 200:
                        gw.call(lambda: None)
                shake(session, incoming, outgoing, c)
                session.write(b"yes")
                c.send(outgoing.read())
                answer = b""
                while len(answer) < 3:
                    with contextlib.suppress(ssl.SSLWantReadError):
                        answer += session.read(3)
                        continue
                    incoming.write(c.socket.recv(65536))
                assert answer == b"YES"


def test_the_server_may_be_told_of_the_client(authority: Authority, tmp_path: Path) -> None:
    with SecureServer(authority, tmp_path, "db.example", lines=1) as server:
        passes = {"*": to(server.address, send_proxy=1)}
        with passing(passes) as gw:
            with SecureClient(gw.address, trusting(authority), "db.example") as c:
                port = c.socket.getsockname()[1]
                assert c.send(b"yes").exactly(3) == b"YES"
        assert server.said == [
            f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {gw.address[1]}\r\n".encode()
        ]


def tell(address: tuple[str, int], header: bytes) -> socket.socket:
    """A connection that begins with a PROXY header."""
    s = socket.create_connection(address, DEADLINE_S)
    s.sendall(header)
    return s


def test_announced_and_carried_and_announced(authority: Authority, tmp_path: Path) -> None:
    with SecureServer(authority, tmp_path, "db.example", lines=1) as server:
        passes = {"*": to(server.address, send_proxy=1)}
        with passing(passes, proxy_protocol={}) as gw:
            raw = tell(gw.address, v2("203.0.113.9"))
            with trusting(authority).wrap_socket(raw, server_hostname="db.example") as s:
                s.sendall(b"yes")
                assert s.recv(3) == b"YES"
        assert server.said == [v1("203.0.113.9")]


@pytest.mark.parametrize("header", [v1("203.0.113.9"), v2("2001:db8::9")])
def test_header_and_hello_in_one_segment(
    authority: Authority, tmp_path: Path, header: bytes
) -> None:
    """TLS is ended here; also cut at every byte of the header."""
    cert, key = authority.issue("a.example").write(tmp_path, "a")
    tls = options_of(tmp_path, cert=cert, key=key)
    client = "2001:db8::9" if header.startswith(SIGNATURE) else "203.0.113.9"
    with Origin() as origin:
        gateway = Gateway(
            route_to(upstream(origin.address)),
            listeners=(Listener("https", "127.0.0.1:0", {"tls": tls, "proxy_protocol": {}}),),
            tls=material(tls),
            trusted_proxies=("127.0.0.1/32",),
        )
        with gateway as gw:
            for cut in (0, *range(1, len(header) + 3, 3)):
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                session = trusting(authority).wrap_bio(
                    incoming, outgoing, server_hostname="a.example"
                )
                with Client(gw.address) as c:
                    with pytest.raises(ssl.SSLWantReadError):
                        session.do_handshake()
                    data = header + outgoing.read()
                    if cut:
                        c.send(data[:cut])
                        gw.call(lambda: None)
                    c.send(data[cut:])
                    shake(session, incoming, outgoing, c)
                    session.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
                    c.send(outgoing.read())
                    assert gw.record()["client"] == client


# -- ends -----------------------------------------------------------------------------------


def hello_of(authority: Authority, name: str = "db.example") -> bytes:
    """A ClientHello."""
    outgoing = ssl.MemoryBIO()
    session = trusting(authority).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def test_each_direction_ends_on_its_own(authority: Authority) -> None:
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        while data := peer.socket.recv(65536):
            got.append(data)
        peer.send(b"late" * 100_000)

    hello = hello_of(authority)
    with Origin(script) as origin, passing({"*": to(origin.address)}) as gw:
        with Client(gw.address) as c:
            c.send(hello + b"more" * 50_000).half_close()
            assert c.to_end() == b"late" * 100_000
        gw.until(lambda n: n["connections"] == 0 and n.get("passes_live", 0) == 0, "over")
    assert b"".join(got) == hello + b"more" * 50_000


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_reset_is_passed_on(authority: Authority, side: str) -> None:
    gone, go = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.socket.recv(65536)
        go.set()
        if side == "server":
            peer.reset()
        else:
            peer.gone()
            gone.set()

    with Origin(script) as origin, passing({"*": to(origin.address)}) as gw:
        with Client(gw.address) as c:
            c.send(hello_of(authority))
            assert go.wait(DEADLINE_S)
            if side == "client":
                c.reset()
                assert gone.wait(DEADLINE_S)
            else:
                assert c.at_end()
        gw.until(lambda n: n["connections"] == 0 and n.get("passes_live", 0) == 0, "over")


def test_silence_ends_it(authority: Authority) -> None:
    def script(peer: Peer) -> None:
        peer.gone()

    with Origin(script) as origin:
        with passing({"*": to(origin.address, idle_ms=200)}) as gw, Client(gw.address) as c:
            assert c.send(hello_of(authority)).at_end()
            gw.until(lambda n: n["connections"] == 0 and n.get("passes_live", 0) == 0, "over")


def test_backpressure(authority: Authority) -> None:
    """Nobody reads: nothing piles up here; then all of it arrives."""
    go = threading.Event()
    got = bytearray()

    def script(peer: Peer) -> None:
        assert go.wait(DEADLINE_S)
        while data := peer.socket.recv(1 << 20):
            got.extend(data)

    hello = hello_of(authority)
    n = 20_000_000
    with Origin(script) as origin, passing({"*": to(origin.address)}) as gw:
        with Client(gw.address) as c:
            pump = threading.Thread(target=lambda: c.send(hello + b"x" * n).half_close())
            pump.start()
            gw.until(lambda now: now.get("passes_live", 0) == 1, "begun")
            assert gw.counters()["buffer_bytes"] < 2 << 20
            go.set()
            pump.join(DEADLINE_S)
            assert c.to_end() == b""
    assert len(got) == len(hello) + n
