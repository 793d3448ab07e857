"""Reloads: what a listener asks of new connections follows the plan; tunnels live on."""

from __future__ import annotations

import gc
from typing import Any

from fastgw.ext.io.doorway import Doorway
from fastgw.plan import Listener, PlanModel, build_plan
from tests.edge.kit import GET, listening, v1
from tests.edge.test_websocket import Echo, chat, through
from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Route, route_to, upstream
from tests.scenario.origin import Origin


def reload(gw: Gateway, route: Route, trusted: tuple[str, ...] = (), **options: Any) -> None:
    """Switch to another plan for the same listener."""
    plan = build_plan(
        PlanModel(
            routes=(route,),
            listeners=(Listener("main", "127.0.0.1:0", options),),
            trusted_proxies=trusted,
            number=2,
        )
    )

    def there() -> None:
        for _ in gw.worker.prepare(plan):
            pass
        gw.worker.switch({0: 0})

    gw.call(there)


def test_a_listener_begins_and_ends_to_ask_for_headers() -> None:
    loopback = ("127.0.0.1/32",)
    with Origin() as origin, listening(origin) as gw, Client(gw.address) as old:
        assert old.send(GET).answer().status == 200
        reload(gw, route_to(upstream(origin.address)), loopback, proxy_protocol={})
        with Client(gw.address) as c:
            assert c.send(v1("203.0.113.9") + GET).answer().status == 200
        with Client(gw.address) as c:
            assert c.send(GET).at_end()
        assert old.send(GET).answer().status == 200, "those who are there go on"
        reload(gw, route_to(upstream(origin.address)))
        with Client(gw.address) as c:
            assert c.send(GET).answer().status == 200


def test_counts_by_address_outlive_a_reload_that_says_the_same() -> None:
    limits = {"connections": 1}
    with Origin() as origin:
        route = route_to(upstream(origin.address))
        with listening(origin, trusted=(), per_address=limits) as gw, Client(gw.address) as a:
            assert a.send(GET).answer().status == 200
            reload(gw, route, per_address=limits)
            with Client(gw.address) as b:
                assert b.at_end()


def test_a_tunnel_outlives_a_reload() -> None:
    with Echo() as echo, Gateway(chat(echo.address)) as gw, through(gw) as c:
        c.send("before")
        assert c.recv(10) == "before"
        reload(gw, chat(echo.address, idle=1000))
        c.send("after")
        assert c.recv(10) == "after"


def doors() -> int:
    """Doorways that are alive."""
    gc.collect()
    return sum(type(one) is Doorway for one in gc.get_objects())


def test_doors_of_earlier_generations_are_forgotten_but_not_what_they_counted() -> None:
    with Origin() as origin, listening(origin, trusted=(), proxy_protocol={}) as gw:
        route = route_to(upstream(origin.address))
        with Client(gw.address) as c:
            assert c.send(v1("203.0.113.9") + GET).at_end(), "nobody is trusted"
        for i in range(20):
            reload(gw, route, proxy_protocol={}, arrival_ms=1000 + i)
        assert doors() == 1
        assert gw.counters()["proxy_untrusted"] == 1
