"""Who the client is behind trusted proxies: lists of hops, fields of CDNs, false identity."""

from __future__ import annotations

import pytest

from tests.edge.kit import listening
from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Step, policy, route_to, upstream
from tests.scenario.origin import Origin

TRUSTED = ("127.0.0.1/32", "10.0.0.0/8", "2001:db8:aaaa::/48")


def client_of(gw: Gateway, *fields: str) -> str:
    """Whom the log takes for the client."""
    with Client(gw.address) as c:
        assert c.get("/", *fields).status == 200
    said: str = gw.record()["client"]
    return said


@pytest.mark.parametrize(
    ("fields", "client"),
    [
        ((), "127.0.0.1"),
        (("X-Forwarded-For: 203.0.113.9",), "203.0.113.9"),
        (("X-Forwarded-For: 198.51.100.1, 203.0.113.9",), "203.0.113.9"),
        (("X-Forwarded-For: 198.51.100.1, 203.0.113.9, 10.1.2.3",), "203.0.113.9"),
        (("X-Forwarded-For: 203.0.113.9,10.1.2.3 ,\t10.1.2.4",), "203.0.113.9"),
        (("X-Forwarded-For: 10.1.2.3, 10.1.2.4",), "10.1.2.3"),
        (("X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 10.1.2.3"), "198.51.100.1"),
        (("X-Forwarded-For: 203.0.113.9, nonsense, 10.1.2.3",), "10.1.2.3"),
        (("X-Forwarded-For: 203.0.113.9, , 10.1.2.3",), "10.1.2.3"),
        (("X-Forwarded-For: nonsense",), "127.0.0.1"),
        (("X-Forwarded-For: unknown",), "127.0.0.1"),
        (("X-Forwarded-For:",), "127.0.0.1"),
        (("X-Forwarded-For: 203.0.113.9:4711",), "203.0.113.9"),
        (("X-Forwarded-For: 203.0.113.9:99999",), "127.0.0.1"),
        (("X-Forwarded-For: 203.0.113.256",), "127.0.0.1"),
        (("X-Forwarded-For: 0203.0.113.9",), "127.0.0.1"),
        (("X-Forwarded-For: 2001:db8::9",), "2001:db8::9"),
        (("X-Forwarded-For: [2001:db8::9]:443",), "2001:db8::9"),
        (("X-Forwarded-For: [2001:db8::9",), "127.0.0.1"),
        (("X-Forwarded-For: fe80::1%eth0",), "127.0.0.1"),
        (("X-Forwarded-For: ::ffff:203.0.113.9",), "203.0.113.9"),
        (("X-Forwarded-For: 2001:db8::9, 2001:db8:aaaa::1",), "2001:db8::9"),
        (("Forwarded: for=203.0.113.9",), "203.0.113.9"),
        (("Forwarded: for=198.51.100.1;proto=https, For=203.0.113.9;by=10.0.0.1",), "203.0.113.9"),
        (('Forwarded: for="[2001:db8::9]:4711";host="a,b;c", for=10.1.1.1',), "2001:db8::9"),
        (('Forwarded: proto=https;for="203.0.113.9:80"',), "203.0.113.9"),
        (("Forwarded: for=203.0.113.9, for=unknown, for=10.1.1.1",), "10.1.1.1"),
        (("Forwarded: for=203.0.113.9, for=_hidden",), "127.0.0.1"),
        (("Forwarded: proto=https",), "127.0.0.1"),
        (('Forwarded: for="203.0.113.9',), "127.0.0.1"),
        (("X-Forwarded-For: 203.0.113.9", "Forwarded: for=198.51.100.1"), "203.0.113.9"),
        (("CF-Connecting-IP: 203.0.113.9",), "127.0.0.1"),
    ],
)
def test_the_walk(fields: tuple[str, ...], client: str) -> None:
    with Origin() as origin, listening(origin, trusted=TRUSTED) as gw:
        assert client_of(gw, *fields) == client


def test_nobody_is_trusted_unless_named() -> None:
    with Origin() as origin, listening(origin, trusted=()) as gw:
        assert client_of(gw, "X-Forwarded-For: 203.0.113.9") == "127.0.0.1"
        assert origin.request().value("X-Forwarded-For") == b"127.0.0.1"


@pytest.mark.parametrize(
    ("field", "fields", "client"),
    [
        ("CF-Connecting-IP", ("CF-Connecting-IP: 203.0.113.9",), "203.0.113.9"),
        ("cf-connecting-ip", ("cf-connecting-ip: 2001:db8::9",), "2001:db8::9"),
        ("True-Client-IP", ("True-Client-IP: x", "X-Forwarded-For: 198.51.100.1"), "127.0.0.1"),
        ("True-Client-IP", ("True-Client-IP: 1.2.3.4", "True-Client-IP: 5.6.7.8"), "127.0.0.1"),
        ("X-Real-IP", ("X-Real-IP: 203.0.113.9", "X-Forwarded-For: 198.51.100.1"), "203.0.113.9"),
        (
            "Forwarded",
            ("X-Forwarded-For: 198.51.100.1", "Forwarded: for=203.0.113.9"),
            "203.0.113.9",
        ),
        ("X-Forwarded-For", ("Forwarded: for=203.0.113.9",), "127.0.0.1"),
    ],
)
def test_a_named_field(field: str, fields: tuple[str, ...], client: str) -> None:
    with Origin() as origin, listening(origin, trusted=TRUSTED, client_field=field) as gw:
        assert client_of(gw, *fields) == client


def test_a_named_field_of_the_untrusted_is_taken_away() -> None:
    with Origin() as origin, listening(origin, trusted=(), client_field="CF-Connecting-IP") as gw:
        assert client_of(gw, "CF-Connecting-IP: 203.0.113.9") == "127.0.0.1"
        assert origin.request().values("CF-Connecting-IP") == []


IDENTITY = (
    "X-Consumer-Username: root",
    "x-consumer-id: 0",
    "X-CONSUMER-GROUPS: admin",
    "X-Forwarded-Client-Cert: Hash=0",
)


@pytest.mark.parametrize("trusted", [(), TRUSTED])
def test_identity_is_taken_away_unless_the_peer_is_trusted(trusted: tuple[str, ...]) -> None:
    with Origin() as origin, listening(origin, trusted=trusted) as gw:
        client_of(gw, *IDENTITY, "X-Consume: kept", "X-Other: kept", "X-Consumer-: kept")
        r = origin.request()
        for field in IDENTITY:
            assert len(r.values(field.partition(":")[0])) == bool(trusted), field
        assert r.value("X-Consume") == r.value("X-Other") == b"kept"


def test_what_goes_on_names_the_hop_and_the_client() -> None:
    with Origin() as origin, listening(origin, trusted=TRUSTED) as gw:
        client_of(gw, "X-Forwarded-For: 203.0.113.9, 10.1.2.3")
        r = origin.request()
        assert r.value("X-Forwarded-For") == b"203.0.113.9, 10.1.2.3, 127.0.0.1"
        assert r.value("X-Real-IP") == b"203.0.113.9"


def test_policies_see_the_decided_address() -> None:
    with Origin() as origin:
        steps = (
            Step(policy("ip", allow=["203.0.113.0/24"])),
            Step(policy("headers", request={"set": {"X-Client": "{client.ip}"}})),
        )
        route = route_to(upstream(origin.address), steps=steps)
        with listening(None, route=route, trusted=TRUSTED) as gw, Client(gw.address) as c:
            assert c.get("/", "X-Forwarded-For: 203.0.113.9").status == 200
            assert origin.request().value("X-Client") == b"203.0.113.9"
            assert c.get("/", "X-Forwarded-For: 198.51.100.1").status == 403
            assert c.get("/").status == 403


def test_each_request_of_a_connection_has_its_own() -> None:
    with Origin() as origin, listening(origin, trusted=TRUSTED) as gw, Client(gw.address) as c:
        for address in ("203.0.113.9", "203.0.113.10", "198.51.100.1"):
            assert c.get("/", f"X-Forwarded-For: {address}").status == 200
            assert gw.record()["client"] == address
        assert c.get("/").status == 200
        assert gw.record()["client"] == "127.0.0.1"
