"""https to upstreams: verified, resumed, and told in words when it fails."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fastgw.tls.material import TlsMaterial
from tests.edge.kit import SIGNATURE
from tests.record.test_metrics import Counted
from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, ObjectSpec, Route, route_to, server, upstream
from tests.scenario.origin import OK, Origin, Peer, Script, answering
from tests.tls.authority import Authority, Issued
from tests.tls.kit import DEADLINE_S, material, upstream_of

GET = b"GET / HTTP/1.1\r\nHost: gw.test\r\n\r\n"


def server_context(issued: Issued, tmp_path: Path, name: str = "origin") -> ssl.SSLContext:
    """What an origin with this certificate speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*issued.write(tmp_path, name))
    context.set_alpn_protocols(["http/1.1"])
    return context


def over_tls(
    context: ssl.SSLContext, script: Script, seen: Callable[[ssl.SSLSocket], None] | None = None
) -> Script:
    """A script behind a handshake; one that fails ends the connection."""

    def secured(peer: Peer) -> None:
        try:
            peer.socket = context.wrap_socket(peer.socket, server_side=True)
        except (ssl.SSLError, OSError):
            return
        assert isinstance(peer.socket, ssl.SSLSocket)
        if seen is not None:
            seen(peer.socket)
        try:
            script(peer)
        except ssl.SSLError:
            return

    return secured


def secure_upstream(
    address: tuple[str, int], host: str, options: dict[str, Any], **more: Any
) -> ObjectSpec:
    """A target with one https server, called `host` and found at `address`."""
    literal = host[:1].isdigit()
    one = server(address) | {"host": host, "tls": True, "literal": literal}
    one["url"] = f"https://{host}:{address[1]}"
    return ObjectSpec(
        "http", "origin", {"name": "origin", "servers": [one], "tls": options, **more}
    )


@contextlib.contextmanager
def before(
    context: ssl.SSLContext,
    authority: Authority | None,
    tmp_path: Path,
    script: Script | None = None,
    host: str = "origin.example",
    seen: Callable[[ssl.SSLSocket], None] | None = None,
    **tls: Any,
) -> Iterator[tuple[Gateway, Origin]]:
    """A gateway before an https origin."""
    if authority is not None:
        (tmp_path / "ca").write_bytes(authority.cert)
        tls["ca"] = "ca"
    options = upstream_of(tmp_path, **tls)
    with Origin(over_tls(context, script or answering(), seen)) as origin:
        target = secure_upstream(origin.address, host, options)
        with Gateway(target, tls=material(options)) as gw:
            yield gw, origin


def ask(gw: Gateway) -> int:
    """The status of a request."""
    with Client(gw.address) as c:
        return c.send(GET).answer().status


def reason(gw: Gateway) -> str:
    """Why the next request is answered 502."""
    with Client(gw.address) as c:
        assert c.send(GET).answer().status == 502
    return str(gw.record()["reason"])


# -- what works --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_bodies_both_ways(version: ssl.TLSVersion, authority: Authority, tmp_path: Path) -> None:
    sent, back = os.urandom(2_000_000), os.urandom(3_000_000)
    got = []

    def script(peer: Peer) -> None:
        got.append(peer.request().body)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(back) + back)

    context = server_context(authority.issue("origin.example"), tmp_path)
    context.minimum_version = context.maximum_version = version
    with before(context, authority, tmp_path, script) as (gw, _):
        with Client(gw.address) as c:
            head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(sent)
            assert c.send(head + sent).answer().body == back
    assert got == [sent]


def test_connections_are_kept(authority: Authority, tmp_path: Path) -> None:
    seen: list[str | None] = []
    context = server_context(authority.issue("origin.example"), tmp_path)

    def note(s: ssl.SSLSocket) -> None:
        seen.append(s.selected_alpn_protocol())

    with before(context, authority, tmp_path, seen=note) as (gw, _):
        assert [ask(gw) for _ in range(5)] == [200] * 5
        assert gw.counters()["upstream_idle"] == 1
    assert seen == ["http/1.1"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(
    version: ssl.TLSVersion, authority: Authority, tmp_path: Path
) -> None:
    """A new connection to a server that is known costs no full handshake."""
    reused: list[bool | None] = []
    context = server_context(authority.issue("origin.example"), tmp_path)
    context.minimum_version = context.maximum_version = version

    def one_answer(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    def note(s: ssl.SSLSocket) -> None:
        reused.append(s.session_reused)

    with before(context, authority, tmp_path, one_answer, seen=note) as (gw, _):
        assert [ask(gw) for _ in range(4)] == [200] * 4
    assert reused == [False, True, True, True]


def test_name_that_is_asked_for(authority: Authority, tmp_path: Path) -> None:
    asked: list[str | None] = []
    context = server_context(authority.issue("origin.example", "other.example"), tmp_path)
    context.sni_callback = lambda s, name, _: asked.append(name)
    with before(context, authority, tmp_path) as (gw, _):
        assert ask(gw) == 200
    with before(context, authority, tmp_path, sni="other.example") as (gw, _):
        assert ask(gw) == 200
    assert asked == ["origin.example", "other.example"]


def test_address_instead_of_name(authority: Authority, tmp_path: Path) -> None:
    asked: list[str | None] = []
    context = server_context(authority.issue("x.example", "127.0.0.1"), tmp_path)
    context.sni_callback = lambda s, name, _: asked.append(name)
    with before(context, authority, tmp_path, host="127.0.0.1") as (gw, _):
        assert ask(gw) == 200
    assert asked == [None]


def test_our_certificate(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.issue("gateway.example").write(tmp_path, "mine")
    context = server_context(authority.issue("origin.example"), tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority.cert.decode())
    shown: list[Any] = []

    def note(s: ssl.SSLSocket) -> None:
        shown.append(s.getpeercert())

    with before(context, authority, tmp_path, seen=note, cert=cert, key=key) as (gw, _):
        assert ask(gw) == 200
    assert shown[0]["subject"] == ((("commonName", "gateway.example"),),)
    with before(context, authority, tmp_path) as (gw, _):
        assert ask(gw) == 502


def test_any_certificate_if_told_so(authority: Authority, tmp_path: Path) -> None:
    context = server_context(Authority("x").issue("y", begins=-9, ends=-5), tmp_path)
    with before(context, None, tmp_path, insecure_skip_verify=True) as (gw, _):
        assert ask(gw) == 200
        assert any("insecure_skip_verify" in text for _, text in gw.logged)
        assert Counted(gw).get("upstreams_unverified", "0") == 1


def test_system_roots_are_the_default(authority: Authority, tmp_path: Path) -> None:
    context = server_context(authority.issue("origin.example"), tmp_path)
    with before(context, None, tmp_path) as (gw, _):
        assert Counted(gw).get("upstreams_unverified", "0") == 0
        assert reason(gw) == "upstream_cert_untrusted"


# -- what fails --------------------------------------------------------------------------------

BAD: dict[str, tuple[Callable[[Authority], Issued], str, str]] = {
    "expired": (
        lambda a: a.issue("origin.example", begins=-10, ends=-1),
        "upstream_cert_expired", "certificate has expired",
    ),
    "early": (
        lambda a: a.issue("origin.example", begins=1, ends=10),
        "upstream_cert_expired", "certificate is not yet valid",
    ),
    "name": (lambda a: a.issue("x.example"), "upstream_cert_name", "hostname mismatch"),
    "partial wildcard": (
        lambda a: a.issue("o*.example"), "upstream_cert_name", "hostname mismatch",
    ),
    "untrusted": (
        lambda a: Authority("x").issue("origin.example"),
        "upstream_cert_untrusted", "unable to get local issuer certificate",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", list(BAD))
def test_bad_certificate(what: str, authority: Authority, tmp_path: Path) -> None:
    make, why, words = BAD[what]
    context = server_context(make(authority), tmp_path)
    with before(context, authority, tmp_path) as (gw, origin):
        assert reason(gw) == why
        assert any(words in text.lower() for _, text in gw.logged), gw.logged
        assert origin.requests.empty()
        assert gw.counters()["upstream_busy"] == 0


def test_pinned_names(authority: Authority, tmp_path: Path) -> None:
    context = server_context(authority.issue("real.example"), tmp_path)
    with before(context, authority, tmp_path, names=["b.example", "real.example"]) as (gw, _):
        assert ask(gw) == 200
    with before(context, authority, tmp_path, names="b.example") as (gw, _):
        assert reason(gw) == "upstream_cert_name"


def test_revoked(authority: Authority, tmp_path: Path) -> None:
    issued = authority.issue("origin.example")
    (tmp_path / "crl").write_bytes(authority.crl(issued))
    with before(server_context(issued, tmp_path), authority, tmp_path, crl="crl") as (gw, _):
        assert reason(gw) == "upstream_cert_refused"
        assert any("revoked" in text for _, text in gw.logged)


def test_no_common_version(authority: Authority, tmp_path: Path) -> None:
    context = server_context(authority.issue("origin.example"), tmp_path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with before(context, authority, tmp_path, min_version="1.3") as (gw, _):
        assert reason(gw) == "upstream_tls_failed"


def plain(peer: Peer) -> None:
    """Answer whatever comes in plain text."""
    peer.more()
    peer.send(OK)


def closing(peer: Peer) -> None:
    """Read the hello, and close."""
    peer.more()


def resetting(peer: Peer) -> None:
    """Read the hello, and reset."""
    peer.more()
    peer.reset()


@pytest.mark.parametrize("script", [plain, closing, resetting])
def test_server_without_tls(script: Script, authority: Authority, tmp_path: Path) -> None:
    options = upstream_of(tmp_path)
    with Origin(script) as origin:
        target = secure_upstream(origin.address, "origin.example", options)
        with Gateway(target, tls=material(options)) as gw:
            assert reason(gw) == "upstream_tls_failed"


def test_silent_handshake_is_a_connect_timeout(authority: Authority, tmp_path: Path) -> None:
    from tests.scenario.gateway import Timeouts

    options = upstream_of(tmp_path)
    with Origin(lambda peer: peer.stay()) as origin:
        target = secure_upstream(origin.address, "origin.example", options)
        route = route_to(target, Timeouts(connect=150))
        with Gateway(route, tls=material(options)) as gw:
            with Client(gw.address) as c:
                assert c.send(GET).answer().status == 504
            assert gw.record()["reason"] == "connect_timeout"


@pytest.mark.parametrize("version", [1, 2])
def test_a_proxy_header_goes_before_tls(version: int, authority: Authority, tmp_path: Path) -> None:
    """Then the handshake, on a connection that is that client's alone."""
    context = server_context(authority.issue("origin.example"), tmp_path)
    (tmp_path / "ca").write_bytes(authority.cert)
    options = upstream_of(tmp_path, ca="ca")
    secured, headers = over_tls(context, answering()), []

    def script(peer: Peer) -> None:
        header = b""
        while not (header.endswith(b"\r\n") if version == 1 else len(header) == 28):
            header += peer.socket.recv(1)  # no byte of what follows
        headers.append(header)
        secured(peer)

    with Origin(script) as origin:
        target = secure_upstream(origin.address, "origin.example", options, send_proxy=version)
        with Gateway(target, tls=material(options)) as gw:
            for n in range(2):
                with Client(gw.address) as c:
                    port = c.socket.getsockname()[1]
                    assert c.send(GET).answer().status == 200
                if version == 1:
                    here = f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {gw.address[1]}\r\n"
                    assert headers[n] == here.encode()
                else:
                    assert headers[n][:12] == SIGNATURE
                    assert headers[n][24:26] == port.to_bytes(2, "big")
            assert gw.counters()["upstream_idle"] == 0


def test_another_server_is_tried(authority: Authority, tmp_path: Path) -> None:
    """A handshake that failed has sent nothing of the request: any method may go elsewhere."""
    (tmp_path / "ca").write_bytes(authority.cert)
    options = upstream_of(tmp_path, ca="ca")
    good = server_context(authority.issue("origin.example"), tmp_path)
    bad = server_context(authority.issue("x.example"), tmp_path, "bad")
    with Origin(over_tls(bad, answering())) as a, Origin(over_tls(good, answering())) as b:
        target = secure_upstream(a.address, "origin.example", options)
        other = secure_upstream(b.address, "origin.example", options)
        target.options["servers"].append(other.options["servers"][0])
        with Gateway(target, tls=material(options)) as gw, Client(gw.address) as c:
            head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
            assert [c.send(head).answer().status for _ in range(4)] == [200] * 4


def test_cut_body_is_not_taken_for_whole(authority: Authority, tmp_path: Path) -> None:
    """A body that ends with the connection must end with a close_notify."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        assert isinstance(peer.socket, ssl.SSLSocket)
        raw = socket.socket(fileno=peer.socket.detach())
        raw.close()

    context = server_context(authority.issue("origin.example"), tmp_path)
    with before(context, authority, tmp_path, script) as (gw, _):
        with Client(gw.address) as c:
            c.send(GET)
            with contextlib.suppress(EOFError, ConnectionError):
                c.answer()
        assert gw.record()["reason"] == "upstream_truncated"


def test_whole_body_until_close(authority: Authority, tmp_path: Path) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        assert isinstance(peer.socket, ssl.SSLSocket)
        peer.socket.unwrap()

    context = server_context(authority.issue("origin.example"), tmp_path)
    with before(context, authority, tmp_path, script) as (gw, _):
        with Client(gw.address) as c:
            assert c.send(GET).answer().body == b"all of it"
        assert gw.record()["status"] == 200


def test_idle_connection_that_ends_is_dropped(authority: Authority, tmp_path: Path) -> None:
    """With or without a close_notify; the next request gets a new one."""

    def one_answer(peer: Peer) -> None:
        peer.request()
        peer.send(OK)

    context = server_context(authority.issue("origin.example"), tmp_path)
    with before(context, authority, tmp_path, one_answer) as (gw, _):
        for _ in range(3):
            assert ask(gw) == 200
            gw.until(lambda n: n["upstream_idle"] == 0, "dropped")


def test_route_of_both_kinds(authority: Authority, tmp_path: Path) -> None:
    """https and plain servers in one upstream."""
    (tmp_path / "ca").write_bytes(authority.cert)
    options = upstream_of(tmp_path, ca="ca")
    context = server_context(authority.issue("origin.example"), tmp_path)
    with Origin(over_tls(context, answering())) as a, Origin() as b:
        target = secure_upstream(a.address, "origin.example", options)
        target.options["servers"].append(upstream(b.address).options["servers"][0])
        route: Route = route_to(target)
        made: TlsMaterial = material(options)
        with Gateway(route, tls=made) as gw:
            assert [ask(gw) for _ in range(4)] == [200] * 4
        assert (len(a.peers), len(b.peers)) == (1, 1)
    assert DEADLINE_S
