"""The load generator: every kind of load on the origin, and what it says about bad answers."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.server import ServerConnection, serve

from fastgw.bench.messages import JSON_BODY, frame, handshake, pattern, request
from fastgw.ext.load.load import Load
from fastgw.ext.load.script import Script
from fastgw.ext.load.tls_client import TlsClient
from tests.bench.kit import Peer, answering, make_certificate, put, running_origin, script

GET = request("/", "a")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ERRORS = ("connect_errors", "tls_errors", "status_errors", "body_errors", "resets", "timeouts")


def sized(kind: str, size: int) -> tuple[bytes, bytes]:
    """A request for so many bytes, and those bytes."""
    return request(f"/{kind}/{size}", "a"), pattern(size)


@pytest.mark.parametrize(
    ("requests", "options"),
    [
        ([(GET, JSON_BODY)], {}),
        ([(GET, JSON_BODY)], {"connections": 200}),
        ([(GET, JSON_BODY)], {"depth": 16, "connections": 4}),
        ([(GET, JSON_BODY)], {"rate": 500, "connections": 8}),
        ([(request("/", "a", close=True), JSON_BODY)], {"new_connection": True}),
        ([sized("bytes", 1048576)], {"connections": 4}),
        ([sized("chunks", 65536)], {"connections": 4}),
        ([sized("chunks", 1024), (GET, JSON_BODY), sized("bytes", 65536)], {"depth": 3}),
        ([(request("/", "a", method="POST", body=pattern(300_000)), JSON_BODY)], {}),
    ],
    ids=["closed", "many", "pipelined", "open", "new-connection", "1MiB", "chunked", "mix", "up"],
)
def test_every_answer_is_right(requests: Any, options: dict[str, Any]) -> None:
    with running_origin() as port:
        found = put(port, script(*requests, status=200), **options)
    assert found["requests"] > 20
    assert found["errors"] == 0, found


def test_websocket_echo() -> None:
    for size in (5, 125, 126, 4000):
        message = pattern(size)
        with running_origin() as port:
            found = put(
                port, script((frame(message), message)), 0.1, upgrade=handshake("/echo", "a")
            )
        assert found["requests"] > 20
        assert found["errors"] == 0, found


def test_refused_websocket_is_a_status_error() -> None:
    with running_origin() as port:
        found = put(port, script((frame(b"a"), b"a")), 0.05, upgrade=handshake("/", "a"))
    assert found["requests"] == 0
    assert found["status_errors"] > 0


def test_events_are_counted_with_their_delay() -> None:
    with running_origin() as port:
        events = script((request("/events", "a"), None))
        found = put(port, events, 0.3, events=True, connections=10)
    assert 50 < found["requests"] <= 170, "10 streams, an event in 20 ms"
    assert 0 < found["p50_us"] < 20_000
    assert found["errors"] == 0


def test_rate_is_kept() -> None:
    with running_origin() as port:
        found = put(port, script((GET, JSON_BODY)), 0.5, rate=1000, connections=16)
    assert found["requests"] == 500
    assert found["service"]["p50_us"] <= found["p50_us"]


def test_times_of_a_replay_are_kept() -> None:
    what = script((GET, JSON_BODY))
    what.mix([0, 0, 0, 0], [0, 0, 100_000_000, 200_000_000])
    with running_origin() as port:
        load = Load(("127.0.0.1", port), what, connections=2)
        begin = time.monotonic()
        load.run(10)
        took = time.monotonic() - begin
    assert load.done == 4
    assert 0.2 <= took < 2


def test_other_statuses_are_counted_and_the_connection_goes_on() -> None:
    lost = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nlost"
    with Peer(answering(*[lost, OK] * 50_000)) as peer:
        found = put(peer.port, script((GET, b"ok")), connections=1)
    assert found["status_errors"] > 0
    assert found["errors"] == found["status_errors"]
    assert abs(found["requests"] - found["status_errors"]) <= 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "body_errors"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok!", "body_errors"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\no", "body_errors"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", "resets"),
        (OK + b"more", "body_errors"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokXX0\r\n\r\n", "resets"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "resets"),
        (b"SMTP ready when you are\r\n\r\n", "resets"),
        (b"", "resets"),
    ],
    ids=["other", "longer", "shorter", "cut", "behind", "chunk", "size", "no-http", "nothing"],
)
def test_bad_answers_are_errors_of_their_kind(text: bytes, kind: str) -> None:
    with Peer(answering(text)) as peer:
        found = put(peer.port, script((GET, b"ok")), 0.1, connections=1)
    assert found[kind] > 0, found
    assert found["requests"] == 0 or text.startswith(OK)
    assert all(found[other] == 0 for other in ERRORS if other not in (kind, "resets"))


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n"
        b"1;x=y\r\no\r\n1\r\nk\r\n0\r\nT: v\r\n\r\n",
    ],
    ids=["until-close", "1.0", "close", "interim", "trailers"],
)
def test_every_way_to_end_an_answer(text: bytes) -> None:
    ends = text.startswith((b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0")) or b": close" in text
    with Peer(answering(*[text] * (1 if ends else 50_000))) as peer:
        found = put(peer.port, script((GET, b"ok")), 0.1, connections=2)
    assert found["requests"] > 1
    assert found["errors"] == 0, found


def test_answers_cut_at_each_byte_are_read_alike() -> None:
    text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n"

    def serve(sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.recv(4096)
        for at in range(len(text)):
            sock.sendall(text[at : at + 1])
            time.sleep(0.0002)
        sock.recv(4096)

    with Peer(serve) as peer:
        load = Load(("127.0.0.1", peer.port), script((GET, b"ok")), connections=1)
        load.run(0.01)
    assert (load.counted()["requests"], load.counted()["body_errors"]) == (1, 0)


def test_no_answer_is_a_timeout() -> None:
    def serve(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.recv(4096)

    with Peer(serve) as peer:
        found = put(peer.port, script((GET, None)), 0.1, connections=3, timeout_s=0.2)
    assert found["timeouts"] >= 3
    assert found["requests"] == 0


def test_requests_that_find_no_connection_are_errors() -> None:
    """An open loop must not be slower because the answers are: what is due counts."""

    def serve(sock: socket.socket) -> None:
        while sock.recv(4096):
            time.sleep(0.3)
            sock.sendall(OK)

    with Peer(serve) as peer:
        found = put(peer.port, script((GET, b"ok")), 0.2, connections=1, rate=100, timeout_s=0.5)
    assert found["unsent"] > 10
    assert found["requests"] + found["unsent"] + found["timeouts"] == 20


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = put(port, script((GET, None)), 0.05, connections=2)
    assert found["connect_errors"] >= 2
    assert found["requests"] == 0


def test_halt_ends_a_run() -> None:
    with running_origin() as port:
        load = Load(("127.0.0.1", port), script((GET, JSON_BODY)), connections=2)
        thread = threading.Thread(target=load.run, args=(60.0,))
        thread.start()
        while load.done == 0:
            time.sleep(0.001)
        load.halt()
        thread.join(5)
        assert not thread.is_alive()


def test_connections_are_counted_when_open() -> None:
    with running_origin() as port:
        load = Load(("127.0.0.1", port), script((GET, JSON_BODY)), connections=20)
        assert load.connect() == 20
        assert load.done == 0


@pytest.mark.parametrize(
    "options",
    [
        {"connections": 0},
        {"depth": 0},
        {"depth": 65},
        {"rate": -1.0},
        {"timeout_s": 0.0},
        {"new_connection": True, "depth": 2},
        {"new_connection": True, "upgrade": b"x"},
    ],
    ids=str,
)
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Load(("127.0.0.1", 1), script((GET, None)), **options)


def test_wrong_addresses_and_scripts_are_refused() -> None:
    with pytest.raises(ValueError, match="no IP address"):
        Load(("localhost", 80), script((GET, None)))
    with pytest.raises(ValueError, match="no port"):
        Load(("127.0.0.1", 70000), script((GET, None)))
    with pytest.raises(ValueError, match="nothing to send"):
        Load(("127.0.0.1", 80), Script())
    made = Script()
    with pytest.raises(ValueError, match="empty"):
        made.add(b"")
    made.add(GET)
    for order, due in (([], None), ([1], None), ([0], [1, 2])):
        with pytest.raises(ValueError):
            made.mix(order, due)


# -- TLS -----------------------------------------------------------------------------------


def forever(sock: socket.socket) -> None:
    """200 to everything."""
    while sock.recv(65536):
        sock.sendall(OK)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_tls_with_a_certificate_that_is_checked(tmp_path: Path, name: str) -> None:
    file = make_certificate(tmp_path)
    with Peer(forever, file) as peer:
        tls = TlsClient(name, ca=str(file))
        found = put(peer.port, script((GET, b"ok")), 0.2, connections=2, tls=tls)
    assert found["requests"] > 5
    assert (found["errors"], found["handshakes"]) == (0, 2)


def test_tls_certificates_that_are_wrong_are_refused(tmp_path: Path) -> None:
    file = make_certificate(tmp_path)
    with Peer(forever, file) as peer:
        for tls in (TlsClient("other.example", ca=str(file)), TlsClient("localhost")):
            found = put(peer.port, script((GET, b"ok")), 0.05, connections=1, tls=tls)
            assert found["tls_errors"] > 0
            assert found["requests"] == 0
        unchecked = TlsClient("other.example", verify=False)
        assert put(peer.port, script((GET, b"ok")), 0.1, tls=unchecked, connections=1)["requests"]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_tls_resumes(tmp_path: Path, version: str) -> None:
    file = make_certificate(tmp_path)
    close = request("/", "a", close=True)
    with Peer(answering(OK), file) as peer:
        for resume in (True, False):
            tls = TlsClient("localhost", ca=str(file), resume=resume, version=version)
            found = put(
                peer.port, script((close, b"ok")), 0.3, connections=1, tls=tls, new_connection=True
            )
            assert found["handshakes"] > 2
            assert found["errors"] == 0, found
            assert found["resumed"] >= found["handshakes"] - 2 if resume else found["resumed"] == 0


def test_tls_options_that_are_wrong() -> None:
    with pytest.raises(ValueError, match="no version"):
        TlsClient("a", version="1.1")
    with pytest.raises(OSError, match="no certificates"):
        TlsClient("a", ca="/nowhere.pem")


def test_websocket_over_tls(tmp_path: Path) -> None:
    def echo(peer: ServerConnection) -> None:
        for message in peer:
            peer.send(message)

    file = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    message = pattern(200)
    with serve(echo, "127.0.0.1", 0, ssl=context, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        found = put(
            server.socket.getsockname()[1], script((frame(message), message)), 0.2,
            connections=2, upgrade=handshake("/", "a"), tls=TlsClient("localhost", ca=str(file)),
        )  # fmt: skip
        server.shutdown()
        thread.join(10)
    assert found["requests"] > 5
    assert (found["errors"], found["handshakes"]) == (0, 2)
