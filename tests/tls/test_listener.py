"""Listeners with TLS: what clients get, byte by byte, and what bad ones get."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import ssl
import struct
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from tests.edge.kit import v1
from tests.foreign import environment
from tests.scenario.gateway import Timeouts, route_to, upstream
from tests.scenario.origin import Origin, Peer, answering
from tests.tls.authority import Authority
from tests.tls.kit import (
    DEADLINE_S,
    GET,
    SecureClient,
    hello_of,
    https,
    s_client,
    shake_by_hand,
    trusting,
)

Pair = tuple[str, str]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def served(address: tuple[str, int], authority: Authority) -> bool:
    """Whether another client gets its answer."""
    with SecureClient(address, trusting(authority)) as c:
        return c.send(GET).answer().status == 200


@pytest.mark.parametrize("version", VERSIONS)
def test_request_and_answer(
    version: ssl.TLSVersion, authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        with SecureClient(gw.address, trusting(authority, version=version)) as c:
            for _ in range(3):
                assert c.send(GET).answer().body == b"ok"
            assert c.socket.version() == version.name.replace("_", ".").replace("TLSv1.", "TLSv1.")
            assert c.socket.selected_alpn_protocol() == "http/1.1"
        head = origin.request().head
        assert b"x-forwarded-proto: https" in head.lower()


def test_old_versions_are_refused(
    authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        said = s_client(gw.address, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        assert "alert protocol version" in said
        assert served(gw.address, authority)


def test_curl(authority: Authority, pair: Pair, tmp_path: Path, origin: Origin) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.cert)
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        url = f"https://a.example:{gw.address[1]}/"
        to = ["--cacert", str(ca), "--resolve", f"a.example:{gw.address[1]}:127.0.0.1"]
        done = subprocess.run(
            ["curl", "-sS", *to, url, url],
            capture_output=True,
            timeout=DEADLINE_S,
            check=True,
            env=environment(),
        )
        assert done.stdout == b"okok"


def test_httpx(authority: Authority, pair: Pair, tmp_path: Path, origin: Origin) -> None:
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        with httpx.Client(verify=trusting(authority), trust_env=False) as client:
            found = [client.get(f"https://127.0.0.1:{gw.address[1]}/") for _ in range(3)]
        assert [r.text for r in found] == ["ok"] * 3


@pytest.mark.parametrize("version", VERSIONS)
def test_large_bodies_both_ways(
    version: ssl.TLSVersion, authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    sent, back = os.urandom(3_000_000), os.urandom(5_000_000)
    got: list[bytes] = []

    def script(peer: Peer) -> None:
        got.append(peer.request().body)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(back) + back)

    with Origin(script) as origin:
        with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
            with SecureClient(gw.address, trusting(authority, version=version)) as c:
                head = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: %d\r\n\r\n"
                answer = c.send(head % len(sent) + sent).answer()
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(back).digest()
    assert got == [sent]


def test_a_client_that_stalls_gets_every_byte(
    authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    """Sealed bytes wait where they are; what was sealed is never sealed again."""
    back = os.urandom(4_000_000)
    data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(back) + back
    with Origin(answering(data)) as origin:
        with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
            with SecureClient(gw.address, trusting(authority), receive_buffer=4096) as c:
                c.send(GET)
                gw.until(lambda n: n["buffer_bytes"] > 300_000, "held back")
                assert gw.counters()["buffer_bytes"] < 3_000_000
                assert c.answer().body == back
            gw.until(lambda n: n["connections"] == 0, "closed")
            gw.until(lambda n: n["buffer_bytes"] == 0, "let go")


def test_pipelined_requests_are_answered_in_order(
    authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        with SecureClient(gw.address, trusting(authority)) as c:
            c.send(GET * 20)
            assert [c.answer().body for _ in range(20)] == [b"ok"] * 20


# -- handshakes cut to pieces ------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_every_byte_alone(
    version: ssl.TLSVersion, authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    def bytewise(s: socket.socket, data: bytes) -> None:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            s.sendall(data[i : i + 1])

    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        context = trusting(authority, version=version)
        assert shake_by_hand(gw.address, context, bytewise).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("size", [1, 3, 40])
def test_hello_in_many_records(
    size: int, authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    """A handshake message may be spread over records (RFC 8446 section 5.1)."""
    first = True

    def fragment(s: socket.socket, data: bytes) -> None:
        nonlocal first
        if first:
            body = data[5:]
            parts = [body[i : i + size] for i in range(0, len(body), size)]
            data = b"".join(b"\x16\x03\x01" + struct.pack(">H", len(p)) + p for p in parts)
        first = False
        s.sendall(data)

    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        assert shake_by_hand(gw.address, trusting(authority), fragment).startswith(b"HTTP/1.1 200")


def test_request_in_the_same_segment_as_finished(
    authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    """TLS 1.3 clients send their first request with the end of the handshake."""
    flight, session, incoming, outgoing = hello_of(trusting(authority))
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        with socket.create_connection(gw.address, DEADLINE_S) as s:
            s.sendall(flight)
            while True:
                incoming.write(s.recv(65536))
                try:
                    session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    continue
            session.write(GET)
            s.sendall(outgoing.read())
            while True:
                try:
                    assert session.read(4096).startswith(b"HTTP/1.1 200")
                    return
                except ssl.SSLWantReadError:
                    incoming.write(s.recv(65536))


def test_cut_anywhere_leaves_others_served(
    authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    flight, *_ = hello_of(trusting(authority))
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        for end in range(len(flight)):
            with socket.create_connection(gw.address, DEADLINE_S) as s:
                s.sendall(flight[:end])
        gw.until(lambda n: n["connections"] == 0, "rid of them")
        assert served(gw.address, authority)


def test_cut_in_the_second_flight_leaves_others_served(
    authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    """Behind the server's answer: ChangeCipherSpec and Finished, up to their last byte but one."""
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        end, whole = 0, 1
        while end < whole:
            flight, session, incoming, outgoing = hello_of(trusting(authority))
            with socket.create_connection(gw.address, DEADLINE_S) as s:
                s.sendall(flight)
                while not (rest := outgoing.read()):
                    incoming.write(s.recv(65536))
                    with contextlib.suppress(ssl.SSLWantReadError):
                        session.do_handshake()
                s.sendall(rest[:end])
            end, whole = end + 1, len(rest)
        gw.until(lambda n: n["connections"] == 0, "rid of them")
        assert served(gw.address, authority)


GARBAGE = {
    "http": GET,
    "zeros": bytes(600),
    "ones": b"\xff" * 600,
    "no hello": b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
    "empty record": b"\x16\x03\x01\x00\x00",
    "long record": b"\x16\x03\x01\xff\xff" + bytes(600),
    "long hello": b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(16380),
    "alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "ssl 2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(40),
    "bad lengths": b"\x16\x03\x01\x00\x30\x01\x00\x00\x2c\x03\x03" + b"\xff" * 44,
}


@pytest.mark.parametrize("what", list(GARBAGE))
def test_garbage_is_refused(
    what: str, authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        with socket.create_connection(gw.address, DEADLINE_S) as s:
            s.sendall(GARBAGE[what])
            s.shutdown(socket.SHUT_WR)
            got = b""
            try:
                while data := s.recv(4096):
                    got += data
            except ConnectionResetError:
                pass
        assert b"HTTP/1.1 200" not in got
        assert served(gw.address, authority)


def test_damaged_record_ends_the_connection(
    authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        with SecureClient(gw.address, trusting(authority)) as c:
            assert c.send(GET).answer().status == 200
            raw = socket.socket(fileno=os.dup(c.socket.fileno()))
            with raw:
                raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
                with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
                    c.socket.recv(100)
        assert served(gw.address, authority)


# -- ends ------------------------------------------------------------------------------------


def test_close_is_announced(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    with Origin(answering(data)) as origin:
        with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
            with SecureClient(gw.address, trusting(authority)) as c:
                c.socket.suppress_ragged_eofs = False
                c.send(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
                assert c.answer().body == b"ok"
                # Without a close_notify this would raise SSLEOFError.
                assert c.socket.recv(100) == b""


def test_body_until_close_ends_with_close_notify(
    authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    """HTTP/1.0 clients know an answer's end by the connection's: it must be told from a cut."""
    body = os.urandom(100_000)

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + body)

    with Origin(script) as origin:
        with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
            with SecureClient(gw.address, trusting(authority)) as c:
                c.socket.suppress_ragged_eofs = False
                c.send(b"GET / HTTP/1.0\r\nHost: a.example\r\n\r\n")
                c.until(b"\r\n\r\n")
                assert c.to_end() == body


def test_client_that_ends_after_its_request(
    authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    """A close_notify is a half-close: where routes say `finish`, the answer still comes."""
    route = route_to(upstream(origin.address), on_client_eof="finish")
    flight, session, incoming, outgoing = hello_of(trusting(authority))
    with https(route, tmp_path, cert=pair[0], key=pair[1]) as gw:
        with socket.create_connection(gw.address, DEADLINE_S) as s:
            s.sendall(flight)
            while True:
                incoming.write(s.recv(65536))
                try:
                    session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    continue
            session.write(GET)
            try:
                session.unwrap()
            except ssl.SSLWantReadError:
                pass
            s.sendall(outgoing.read())
            got = b""
            while data := s.recv(65536):
                got += data
        assert gw.record()["status"] == 200
        assert len(got) > 100


def test_cut_request_is_a_loss(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    """A FIN without a close_notify is no end: whoever sent it may not be the client."""
    started = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        started.set()
        peer.gone()

    with Origin(script) as origin:
        route = route_to(upstream(origin.address), on_client_eof="finish")
        with https(route, tmp_path, cert=pair[0], key=pair[1]) as gw:
            with SecureClient(gw.address, trusting(authority)) as c:
                c.send(GET)
                assert started.wait(DEADLINE_S)
                raw = socket.socket(fileno=c.socket.detach())
                raw.shutdown(socket.SHUT_WR)
                assert gw.record()["reason"] == "client_reset"
                raw.close()


def test_key_update(authority: Authority, pair: Pair, tmp_path: Path, origin: Origin) -> None:
    """Keys changed by the client, with a change asked of us (RFC 8446 section 4.6.3)."""
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        with subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{gw.address[1]}", "-tls1_3"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=environment(),
        ) as p:  # fmt: skip
            assert p.stdin is not None
            assert p.stdout is not None
            got = b""
            for _ in range(3):
                p.stdin.write(b"K\n")
                p.stdin.flush()
                while b"KEYUPDATE" not in got:
                    got += p.stdout.readline()
                got = b""
                p.stdin.write(GET)
                p.stdin.flush()
                while b"HTTP/1.1 200" not in got:
                    got += p.stdout.readline()
            p.stdin.close()


def test_renegotiation_is_refused(
    authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        said = s_client(gw.address, "-tls1_2", say=b"R\n")
        assert "RENEGOTIATING" in said
        assert "no renegotiation" in said
        assert served(gw.address, authority)


def test_silence_has_a_deadline(
    authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    more = {"handshake_timeout": "200ms"}
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1], **more) as gw:
        with socket.create_connection(gw.address, DEADLINE_S) as s:
            assert s.recv(1) == b""
        assert served(gw.address, authority)


def test_half_open_handshakes_make_room(
    authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    """Past the bound the oldest one goes, so that a flood never keeps a new client out."""
    more = {"handshakes": 20, "handshakes_by_address": 20}
    flight, *_ = hello_of(trusting(authority))
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1], **more) as gw:
        with SecureClient(gw.address, trusting(authority)) as established:
            half_open = [socket.create_connection(gw.address, DEADLINE_S) for _ in range(60)]
            try:
                for i, s in enumerate(half_open[:20]):
                    try:
                        s.sendall(flight[: i * 10])
                    except OSError:
                        continue
                gw.until(lambda n: n["connections"] <= 21, "rid of the oldest")
                assert served(gw.address, authority)
                assert established.send(GET).answer().status == 200
            finally:
                for s in half_open:
                    s.close()


def test_handshakes_are_limited_by_the_client_that_a_proxy_names(
    authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    """Behind a proxy all connections have its address: only the header tells clients apart."""
    gw = https(
        upstream(origin.address),
        tmp_path,
        cert=pair[0],
        key=pair[1],
        handshakes_by_address=1,
        listener={"proxy_protocol": {}},
        trusted=("127.0.0.1/32",),
    )
    flight, *_ = hello_of(trusting(authority))

    def half_open(client: str) -> socket.socket:
        s = socket.create_connection(gw.address, DEADLINE_S)
        s.sendall(v1(client, "2001:db8::9" if ":" in client else "192.0.2.1") + flight[:50])
        return s

    with gw, half_open("203.0.113.1") as first, half_open("2001:db8::1") as six:
        with half_open("203.0.113.2") as other:
            gw.until(lambda n: n["connections"] == 3, "three clients, a handshake each")
            with half_open("203.0.113.1"), half_open("2001:db8::2"):
                assert first.recv(1) == b"", "the second of one client ends its first"
                assert six.recv(1) == b"", "IPv6 clients own a network"
                gw.until(lambda n: n["connections"] == 3, "rid of the older ones")
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                other.recv(1)


def test_drain_ends_handshakes(
    authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        with socket.create_connection(gw.address, DEADLINE_S) as s:
            gw.until(lambda n: n["connections"] == 1, "accepted")
            done = gw.drain()
            assert s.recv(1) == b""
            assert done.wait(DEADLINE_S)


def test_idle_deadline(authority: Authority, pair: Pair, tmp_path: Path, origin: Origin) -> None:
    route = upstream(origin.address)
    gw = https(route, tmp_path, cert=pair[0], key=pair[1])
    with gw:
        with SecureClient(gw.address, trusting(authority)) as c:
            assert c.send(GET).answer().status == 200
            assert gw.counters()["connections"] == 1
    assert Timeouts().keepalive == 75_000
