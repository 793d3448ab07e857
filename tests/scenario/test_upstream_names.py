"""Servers that are named: requests while a name has no address, and when its addresses change."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from typing import Any

from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, ObjectSpec, server, upstream
from tests.scenario.origin import DEADLINE_S, OK, Origin, Peer

V4 = int(socket.AF_INET)


def named(port: int, *known: str, host: str = "api.test", **options: Any) -> ObjectSpec:
    """An upstream of one server with a name; `known` addresses stand in the plan."""
    one = server((host, port)) | {
        "addresses": [[V4, text, port] for text in known],
        "named": True,
    }
    return ObjectSpec("http", "origin", {"name": "origin", "servers": [one], **options})


def tell(gw: Gateway, *texts: str, host: str = "api.test") -> None:
    """The control process has found these addresses."""
    gw.call(lambda: gw.worker.resolve({host: [[V4, text] for text in texts]}))


def test_before_a_name_has_an_address() -> None:
    """503 with a reason of its own, at once; the next request, after it was found, is served."""
    with Origin() as origin, Gateway(named(origin.address[1])) as gw, Client(gw.address) as c:
        answer = c.get()
        assert answer.status == 503
        assert b"upstream_unresolved" in answer.body
        record = gw.record(reason="upstream_unresolved")
        assert (record["decided_by"], record["tries"]) == ("balance", 0)
        tell(gw, "127.0.0.1")
        assert c.get().status == 200


def test_what_the_plan_knows_is_used() -> None:
    with Origin() as origin:
        with Gateway(named(origin.address[1], "127.0.0.1")) as gw, Client(gw.address) as c:
            assert c.get().status == 200


def test_a_worker_is_born_with_what_is_known() -> None:
    names = {"api.test": [[V4, "127.0.0.1"]]}
    with Origin() as origin:
        with Gateway(named(origin.address[1]), names=names) as gw, Client(gw.address) as c:
            assert c.get().status == 200


def test_requests_follow_a_change() -> None:
    """Of several addresses each gets its turn; one that is gone gets no more, and its idle
    connection ends."""
    with Origin() as origin, Gateway(named(origin.address[1])) as gw, Client(gw.address) as c:
        tell(gw, "127.0.0.1")
        for _ in range(4):
            assert c.get().status == 200
        assert gw.counters()["upstream_idle"] == 1
        tell(gw, "127.0.0.9")
        assert gw.counters()["upstream_idle"] == 0
        assert c.get().status == 502
        assert gw.record(status=502)["reason"] == "connect_refused"


def test_connections_of_an_address_that_stays_are_kept() -> None:
    with Origin() as origin, Gateway(named(origin.address[1])) as gw, Client(gw.address) as c:
        tell(gw, "127.0.0.1")
        assert c.get().status == 200
        tell(gw, "127.0.0.9", "127.0.0.1")
        assert gw.counters()["upstream_idle"] == 1
        assert Counter(c.get().status for _ in range(6)) == {200: 6}
        tell(gw, "127.0.0.1")
        assert c.get().status == 200
        assert len(origin.peers) == 1


def test_a_request_under_way_ends_where_it_began() -> None:
    """Its connection is not kept for another one."""
    go_on = threading.Event()

    def script(peer: Peer) -> None:
        peer.log(peer.request())
        go_on.wait(DEADLINE_S)
        peer.send(OK)
        peer.stay()

    with Origin(script) as origin, Gateway(named(origin.address[1])) as gw:
        tell(gw, "127.0.0.1")
        with Client(gw.address) as c:
            c.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            origin.request()
            tell(gw, "127.0.0.9")
            go_on.set()
            assert c.answer().status == 200
        gw.until(lambda n: n["upstream_busy"] == n["upstream_idle"] == 0, "closed")


def test_other_names_are_left_alone() -> None:
    with Origin() as origin, Gateway(named(origin.address[1])) as gw, Client(gw.address) as c:
        tell(gw, "127.0.0.1")
        tell(gw, "127.0.0.9", host="other.test")
        assert c.get().status == 200


def test_an_address_that_is_none_changes_nothing() -> None:
    with Origin() as origin, Gateway(named(origin.address[1])) as gw, Client(gw.address) as c:
        tell(gw, "127.0.0.1")
        failed: list[str] = []

        def broken() -> None:
            try:
                gw.worker.resolve({"api.test": [[V4, "nonsense"]]})
            except ValueError as e:
                failed.append(str(e))

        gw.call(broken)
        assert failed == ["not an address: 'nonsense'"]
        assert c.get().status == 200


def test_named_and_numbered_servers_together() -> None:
    """While the name has no address the others answer alone."""
    with Origin() as origin:
        both = upstream(origin.address)
        both.options["servers"].append(named(origin.address[1]).options["servers"][0])
        with Gateway(both) as gw, Client(gw.address) as c:
            assert Counter(c.get().status for _ in range(4)) == {200: 4}
