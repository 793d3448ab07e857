"""PROXY headers on listeners that ask for them: from trusted proxies alone, cut anywhere."""

from __future__ import annotations

import ipaddress
import struct
import threading
import time
from typing import Any

import pytest

from tests.edge.kit import GET, SIGNATURE, listening, tlv, v1, v2
from tests.scenario.client import Client
from tests.scenario.gateway import Gateway
from tests.scenario.origin import Origin

ASKING: dict[str, Any] = {"proxy_protocol": {}}


def asked(gw: Gateway, data: bytes) -> bytes:
    """Send bytes; whom the log takes the client for."""
    with Client(gw.address) as c:
        assert c.send(data).answer().status == 200
    client: str = gw.record()["client"]
    return client.encode()


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (v1("203.0.113.9"), b"203.0.113.9"),
        (v1("2001:db8::9", "2001:db8::1"), b"2001:db8::9"),
        (v1("::ffff:203.0.113.9", "::ffff:192.0.2.1"), b"203.0.113.9"),
        (b"PROXY UNKNOWN\r\n", b"127.0.0.1"),
        (b"PROXY UNKNOWN ffff::1 ffff::1 65535 65535\r\n", b"127.0.0.1"),
        (v2("203.0.113.9"), b"203.0.113.9"),
        (v2("2001:db8::9"), b"2001:db8::9"),
        (v2("203.0.113.9", tlvs=tlv(2, b"db.example") + tlv(4, b"\0" * 9)), b"203.0.113.9"),
        (v2("203.0.113.9", command=0), b"127.0.0.1"),
        (SIGNATURE + b"\x21\x00\x00\x00", b"127.0.0.1"),
        (SIGNATURE + b"\x20\x00\x00\x03abc", b"127.0.0.1"),
        (SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216), b"127.0.0.1"),
    ],
)
def test_the_client_is_whom_the_header_names(header: bytes, client: bytes) -> None:
    with Origin() as origin, listening(origin, **ASKING) as gw:
        assert asked(gw, header + GET) == client
        forwarded = origin.request().value("X-Forwarded-For")
        assert forwarded == client, "the hop that speaks HTTP is the client"


def test_every_number_of_an_ipv4_address_is_written_in_decimal() -> None:
    """One, two and three digits in each place, as Python writes them."""
    with Origin() as origin, listening(origin, **ASKING) as gw:
        for i in range(0, 256, 4):
            client = str(ipaddress.IPv4Address(bytes(range(i, i + 4))))
            assert asked(gw, v2(client) + GET) == client.encode()


@pytest.mark.parametrize("header", [v1("203.0.113.9"), v2("2001:db8::9", tlvs=tlv(1, b"h2"))])
def test_cut_at_every_byte(header: bytes) -> None:
    """The header and a request in two pieces, and byte by byte."""
    with Origin() as origin, listening(origin, **ASKING) as gw:
        whole = header + GET
        for at in range(1, len(header) + 2):
            with Client(gw.address) as c:
                c.send(whole[:at])
                gw.call(lambda: None)
                assert c.send(whole[at:]).answer().status == 200
        with Client(gw.address) as c:
            for i in range(len(header)):
                c.send(header[i : i + 1])
                gw.call(lambda: None)
            assert c.send(GET).answer().status == 200


@pytest.mark.parametrize(
    "header",
    [
        GET,
        b"\x16\x03\x01\x00\x05hello",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
        b"PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
        b"PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        b"PROXY TCP4 " + b"1" * 100 + b"\r\n",
        b"PROXY\tTCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\xff\xff" + bytes(100),
        v2("1.2.3.4", tlvs=b"\x02\x00"),
        v2("1.2.3.4", tlvs=b"\x02\x00\x05abc"),
        v2("1.2.3.4", tlvs=tlv(3, b"\0\0\0\0")),
    ],
)
def test_what_is_no_header_is_closed(header: bytes) -> None:
    with Origin() as origin, listening(origin, **ASKING) as gw:
        with Client(gw.address) as c:
            assert c.send(header).at_end()
        now = gw.until(lambda n: n["connections"] == 0, "closed")
        assert now["proxy_malformed"] == 1
        assert asked(gw, v1("203.0.113.9") + GET) == b"203.0.113.9"


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_a_right_checksum_is_taken() -> None:
    header = v2("203.0.113.9", tlvs=tlv(3, b"\0\0\0\0") + tlv(2, b"a.example"))
    at = 16 + 12 + 3
    right = header[:at] + struct.pack("!I", crc32c(header)) + header[at + 4 :]
    with Origin() as origin, listening(origin, **ASKING) as gw:
        assert asked(gw, right + GET) == b"203.0.113.9"


def test_only_trusted_proxies_may_send_one() -> None:
    with Origin() as origin, listening(origin, trusted=("10.0.0.0/8",), **ASKING) as gw:
        with Client(gw.address) as c:
            c.send(v1("203.0.113.9") + GET)
            assert c.at_end()
        assert gw.counters()["proxy_untrusted"] == 1
        assert any("no trusted proxy" in text for _, text in gw.logged)
        gw.until(lambda n: n["connections"] == 0, "let go")


def test_a_trusted_proxys_client_is_not_trusted_itself() -> None:
    """The proxy before us is trusted; whom it names may not say who it is."""
    with Origin() as origin, listening(origin, **ASKING) as gw:
        said = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.1.1.1\r\n\r\n"
        assert asked(gw, v1("203.0.113.9") + said) == b"203.0.113.9"
        assert origin.request().value("X-Forwarded-For") == b"203.0.113.9"


def test_a_header_only_where_it_is_asked_for() -> None:
    with Origin() as origin, listening(origin) as gw, Client(gw.address) as c:
        assert c.send(v1("203.0.113.9") + GET).answer().status == 400


def test_a_second_header_is_no_request() -> None:
    with Origin() as origin, listening(origin, **ASKING) as gw, Client(gw.address) as c:
        assert c.send(v1("203.0.113.9") * 2 + GET).answer().status == 400


@pytest.mark.parametrize("early", [b"", b"PROXY TC", SIGNATURE[:5]])
def test_who_says_nothing_is_closed_in_time(early: bytes) -> None:
    with Origin() as origin, listening(origin, arrival_ms=150, **ASKING) as gw:
        with Client(gw.address) as c:
            began = time.monotonic()
            assert c.send(early).at_end()
            assert 0.1 < time.monotonic() - began < 2
        now = gw.until(lambda n: n["connections"] == 0, "let go")
        assert now["arrivals_timed_out"] == 1


@pytest.mark.parametrize("early", [b"", b"PROXY TC"])
@pytest.mark.parametrize("how", ["close", "reset", "half_close"])
def test_who_leaves_early_is_let_go(early: bytes, how: str) -> None:
    with Origin() as origin, listening(origin, **ASKING) as gw:
        with Client(gw.address) as c:
            c.send(early)
            getattr(c, how)()
            now = gw.until(
                lambda n: n["connections"] == 0 and n["connections_accepted"] == 0, "let go"
            )
            assert now.get("arrivals", 0) == 0


def test_a_drain_closes_those_who_are_still_asked() -> None:
    with Origin() as origin, listening(origin, **ASKING) as gw, Client(gw.address) as c:
        gw.until(lambda n: n.get("arrivals") == 1, "arrived")
        done = gw.drain()
        assert c.at_end()
        assert done.wait(5)


def test_many_at_once() -> None:
    """Slow ones keep nobody from being served."""
    with Origin() as origin, listening(origin, **ASKING) as gw:
        slow = [Client(gw.address).send(b"PROXY ") for _ in range(50)]
        assert asked(gw, v1("203.0.113.9") + GET) == b"203.0.113.9"
        answers: list[int] = []

        def finish(c: Client, i: int) -> None:
            answers.append(c.send(v1(f"203.0.113.{i}")[6:] + GET).answer().status)

        threads = [threading.Thread(target=finish, args=(c, i)) for i, c in enumerate(slow)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(10)
        for c in slow:
            c.close()
        assert answers == [200] * 50
