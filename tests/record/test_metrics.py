"""What is counted of requests over real sockets, in rows of this process."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fastgw.ext.record.catalogue import CELLS, kind_named, read_catalogue
from fastgw.ext.record.rows import LocalRows
from tests.scenario.client import Client
from tests.scenario.gateway import (
    Gateway,
    Match,
    ObjectSpec,
    Route,
    Step,
    policy,
    route_to,
    upstream,
)
from tests.scenario.origin import Origin, answering
from tests.scenario.test_client_tunnel import UPGRADE, chat, echo

NOTHING = ObjectSpec("none", "none")
SOURCES = [*(Path(__file__).resolve().parents[2] / "ext" / "record").glob("*.pyx")]


class Counted:
    """A gateway's rows, read by names."""

    def __init__(self, gw: Gateway) -> None:
        self.gw, self.rows = gw, gw.rows

    def get(self, metric: str, *labels: str) -> Any:
        """A metric's number, or its cells where it has several."""
        self.gw.call(lambda: self.gw.worker.sample())
        for kind in read_catalogue():
            for m in kind.metrics:
                if m.name == f"fastgw_{metric}":
                    found = dict(self.rows.rows().get(kind.name, ()))
                    cells = found.get(labels, [0] * CELLS)[m.at : m.at + m.cells]
                    return cells if m.cells > 1 else cells[0]
        raise KeyError(metric)


@contextmanager
def counted(*routes: Route | ObjectSpec, **more: Any) -> Iterator[tuple[Gateway, Counted]]:
    with Gateway(*routes, **more) as gw:
        yield gw, Counted(gw)


def fixed(name: str, status: int, path: str) -> Route:
    step = Step(policy("respond", f"p-{name}", status=status, body="x" * 10))
    return Route(name, (Match(path),), NOTHING, (step,))


def test_classes_bytes_and_durations_by_route() -> None:
    routes = (fixed("a", 200, "/a"), fixed("b", 404, "/b"), fixed("c", 503, "/c"))
    with counted(*routes) as (gw, c), Client(gw.address) as client:
        for path, times in (("/a", 3), ("/b", 2), ("/c", 1)):
            for _ in range(times):
                client.get(path)
        assert c.get("requests_total", "a") == [0, 0, 3, 0, 0, 0]
        assert c.get("requests_total", "b") == [0, 0, 0, 0, 2, 0]
        assert c.get("requests_total", "c") == [0, 0, 0, 0, 0, 1]
        assert c.get("response_body_bytes_total", "a") == 30
        durations = c.get("request_duration_seconds", "a")
        assert sum(durations[:15]) == 3
        assert c.get("request_reasons_total", "a", "fixed_reply") == 3


def test_requests_without_a_route() -> None:
    with counted(fixed("a", 200, "/a")) as (gw, c), Client(gw.address) as client:
        client.get("/nowhere")
        client.get("/nowhere")
        client.send(b"GET / HTTP/1.1\r\nbad\r\n\r\n").answer()
        assert c.get("requests_total", "-") == [0, 0, 0, 0, 3, 0]
        assert c.get("request_reasons_total", "-", "no_route") == 2
        assert c.get("request_reasons_total", "-", "bad_header") == 1


def test_upstream_and_endpoint() -> None:
    with Origin() as origin:
        target = upstream(origin.address, name="shop")
        with counted(route_to(target)) as (gw, c), Client(gw.address) as client:
            for _ in range(4):
                client.get("/")
            url = f"http://127.0.0.1:{origin.address[1]}"
            assert c.get("upstream_requests_total", "shop") == [0, 0, 4, 0, 0, 0]
            assert sum(c.get("upstream_response_head_seconds", "shop")[:15]) == 4
            assert c.get("endpoint_attempts_total", "shop", url) == 4
            assert c.get("endpoint_open_attempts", "shop", url) == 0
            assert c.get("endpoint_idle_connections", "shop", url) == 1
            assert c.get("retries_total", "default") == 0


def test_attempt_that_fails_counts_though_the_request_did_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        dead = gone.getsockname()
    with Origin() as origin:
        target = upstream(dead, origin.address, name="shop")
        with counted(route_to(target)) as (gw, c), Client(gw.address) as client:
            assert [client.get("/").status for _ in range(2)] == [200, 200]
            url = f"http://127.0.0.1:{dead[1]}"
            assert c.get("endpoint_failures_total", "shop", url) == 1
            assert c.get("attempt_failures_total", "shop", url, "connect_refused") == 1
            assert c.get("endpoint_open_attempts", "shop", url) == 0
            assert c.get("retries_total", "default") == 1
            assert c.get("requests_total", "default")[2] == 2


def test_open_attempts_while_they_are() -> None:
    held = threading.Event()

    asked = threading.Event()

    def script(peer: Any) -> None:
        peer.request()
        asked.set()
        held.wait(10)
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with Origin(script) as origin:
        target = upstream(origin.address, name="shop")
        with counted(route_to(target)) as (gw, c), Client(gw.address) as client:
            url = f"http://127.0.0.1:{origin.address[1]}"
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert asked.wait(10)
            assert c.get("endpoint_open_attempts", "shop", url) == 1
            assert c.get("endpoint_busy_connections", "shop", url) == 1
            assert (c.get("exchanges", "0"), c.get("connections", "0")) == (1, 1)
            held.set()
            assert client.answer().status == 200
            assert c.get("endpoint_open_attempts", "shop", url) == 0
            assert c.get("exchanges", "0") == 0


def test_client_that_leaves_leaves_nothing_behind() -> None:
    asked, over = threading.Event(), threading.Event()

    def script(peer: Any) -> None:
        peer.request()
        asked.set()
        over.wait(10)

    with Origin(script) as origin:
        target = upstream(origin.address, name="shop")
        with counted(route_to(target)) as (gw, c):
            url = f"http://127.0.0.1:{origin.address[1]}"
            with Client(gw.address) as client:
                client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert asked.wait(10)
            gw.until(lambda now: now["exchanges_live"] == 0, "over")
            assert c.get("endpoint_open_attempts", "shop", url) == 0
            assert c.get("endpoint_failures_total", "shop", url) == 0
            assert c.get("requests_total", "default")[0] == 1
            over.set()


def test_worker_row() -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with Origin(answering(data)) as origin, counted(upstream(origin.address)) as (gw, c):
        for _ in range(3):
            with Client(gw.address) as client:
                client.get("/")
        gw.until(lambda now: now["connections"] == 0, "closed")
        assert c.get("connections_accepted_total", "0") == 3
        assert c.get("connections", "0") == 0
        assert c.get("generation", "0") == 1
        assert c.get("log_lines_total", "0") == 3
        assert c.get("sends_total", "0") >= 6 and c.get("wakeups_total", "0") > 0
        assert c.get("buffer_bytes", "0") == gw.counters()["buffer_bytes"]


def test_tunnels_while_they_are_open() -> None:
    with Origin(echo) as origin, counted(chat(origin)) as (gw, c):
        assert c.get("tunnels", "0") == 0
        first, second = Client(gw.address), Client(gw.address)
        with first, second:
            for client in (first, second):
                client.send(UPGRADE)
                assert client.answer().status == 101
            assert c.get("tunnels", "0") == 2
            second.close()
            gw.until(lambda now: now["tunnels_live"] == 1, "one has ended")
            assert c.get("tunnels", "0") == 1
            # Counted when it has ended, as every request.
            assert c.get("requests_total", "default") == [0, 1, 0, 0, 0, 0]
        gw.until(lambda now: now["tunnels_live"] == 0, "both have ended")
        assert c.get("tunnels", "0") == 0
        assert c.get("requests_total", "default") == [0, 2, 0, 0, 0, 0]


def test_pauses_of_the_collector_are_counted() -> None:
    with counted(NOTHING) as (gw, c):
        before = sum(c.get("collector_pause_seconds", "0")[:15])
        gw.call(gc.collect)
        assert sum(c.get("collector_pause_seconds", "0")[:15]) == before + 1


def test_lag_of_the_loop_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastgw.ext.record.sampler.EVERY_S", 0.01)
    ends = next(m for m in kind_named("worker").metrics if m.name == "fastgw_loop_lag_seconds")
    with counted(NOTHING) as (gw, c):
        for _ in range(1000):
            with gw.held():
                threading.Event().wait(0.03)
            # From the bucket that ends at 10 ms on.
            if sum(c.get("loop_lag_seconds", "0")[ends.buckets.index(10_000) : 15]):
                return
        raise AssertionError("no lag was seen")


def test_every_metric_of_the_data_plane_can_move() -> None:
    """A cell that nothing adds to is no metric; those of the node are not the workers'."""
    text = "".join(p.read_text() for p in SOURCES)
    for kind in read_catalogue():
        if kind.name != "node":
            for m in kind.metrics:
                prefix = kind.name.upper() + "_"
                name = m.name.removeprefix("fastgw_").removesuffix("_total").upper()
                assert prefix + name.removeprefix(prefix) in text or kind.crossing, m.name


def test_rows_of_unknown_identity_are_new() -> None:
    assert LocalRows().rows() == {}
