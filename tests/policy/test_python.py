"""Plugins: hooks, waiting, failures, views."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

import fastgw
from fastgw.ext.policy.python import PythonPolicy
from tests.policy import plugins
from tests.policy.door import Door, plugin, policy

Doors = Callable[..., Door]
Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing of another test."""
    plugins.notes.clear()
    plugins.gates.clear()
    yield
    plugins.notes.clear()


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on one kind of loop, with a deadline."""
    runner = request.param
    return lambda main: runner(asyncio.wait_for(main, 10))


async def settle() -> None:
    """Let the loop do what it has."""
    for _ in range(5):
        await asyncio.sleep(0)


def gate(*names: str) -> None:
    """Closed gates for the plugins."""
    plugins.gates.update((name, asyncio.Event()) for name in names)


# -- hooks -----------------------------------------------------------------------------


def test_sync_hooks(door: Doors) -> None:
    d = door(plugin(plugins.Sync, colour="blue"))
    stream = d.ask("/p", [("X-Gone", "1"), ("X-Many", "0")], status=404)
    assert d.upstream[1:] == ["X-Many: 0", "X-Plugin: /p", "X-Many: 1"]
    assert (stream.status, stream.fields) == (410, [("X-Seen", "404 GET")])
    record = plugins.notes[-1]
    assert isinstance(record, fastgw.Record)
    assert (record.status, record.path, record.method, record.reason) == (410, "/p", "GET", "")
    assert (record.client_ip, record.host, record.route) == ("127.0.0.1", "test.example", "/")
    assert len(record.request_id) == 36


def test_reply(door: Doors) -> None:
    d = door(plugin(plugins.Sync))
    stream = d.ask("/p?stop")
    assert (stream.status, bytes(stream.body)) == (418, b"short and stout\n")
    assert ("X-Why", "stopped") in stream.fields
    assert ("Content-Type", "text/plain; charset=utf-8") in stream.fields
    assert d.target.attempts == []
    assert d.rig.records[0]["reason"] == "policy_reply"


def test_only_overridden_hooks_are_called() -> None:
    assert plugin(plugins.Empty).hooks == 0
    assert plugin(plugins.Tools).hooks == 1 << 0 | 1 << 8
    assert plugin(plugins.Sync).hooks == 1 << 0 | 1 << 4 | 1 << 7 | 1 << 8


def test_coroutine_that_does_not_wait_makes_no_task(door: Doors, run: Run) -> None:
    async def main() -> None:
        d = door(plugin(plugins.Waits, waits=[]))
        before = asyncio.all_tasks()
        stream = d.ask("/p")
        assert asyncio.all_tasks() == before
        assert stream.status == 200
        assert "X-Waited: yes" in d.upstream
        assert ("X-Waited", "yes") in stream.fields
        assert isinstance(plugins.notes[-1], fastgw.Record)

    run(main())


def test_waiting_holds_the_exchange(door: Doors, run: Run) -> None:
    async def main() -> None:
        gate("on_request", "on_response")
        d = door(plugin(plugins.Waits, waits=["on_request", "on_response"]))
        stream = d.send("/p")
        await settle()
        assert d.target.attempts == []
        plugins.gates["on_request"].set()
        await settle()
        assert "X-Waited: yes" in d.upstream
        d.answer(200, [("A", "b")], b"body")
        await settle()
        assert stream.status == 0
        plugins.gates["on_response"].set()
        await settle()
        assert stream.fields == [("A", "b"), ("X-Waited", "yes")]
        assert bytes(stream.body) == b"body"

    run(main())


def test_reply_after_waiting(door: Doors, run: Run) -> None:
    async def main() -> None:
        gate("on_request", "on_response")
        plugins.gates["on_request"].set()
        d = door(plugin(plugins.Waits, waits=["on_request", "on_response"]))
        assert d.ask("/p?stop").status == 0
        plugins.gates["on_response"].set()
        await settle()
        assert [s.status for s in d.connection.streams.values()] == [403]
        assert d.target.attempts == []

    run(main())


def test_late_reply_replaces_the_upstreams(door: Doors, run: Run) -> None:
    async def main() -> None:
        gate("on_response")
        d = door(plugin(plugins.Waits, waits=["on_response"]))
        stream = d.ask("/p?late", body=b"upstream's")
        plugins.gates["on_response"].set()
        await settle()
        assert (stream.status, bytes(stream.body)) == (502, b"late\n")

    run(main())


def test_awaitable_that_is_no_coroutine(door: Doors, run: Run) -> None:
    async def main() -> None:
        assert door(plugin(plugins.Future)).ask().status == 200

    run(main())


def test_first_step_has_a_current_task(door: Doors, run: Run) -> None:
    """Timeouts, task groups and with them HTTP clients work from the first step on."""

    async def main() -> None:
        d = door(plugin(plugins.Tools))
        d.send("/p")
        for _ in range(100):
            if d.target.attempts:
                break
            await asyncio.sleep(0)
        assert "X-Tools: ab /p" in d.upstream
        assert plugins.VISITOR.get() == "nobody"
        d.answer()

    run(main())


def test_many_at_once_keep_apart(door: Doors, run: Run) -> None:
    async def main() -> None:
        gate("on_request")
        d = door(plugin(plugins.Waits))
        streams = [d.send(f"/{i}") for i in range(20)]
        plugins.gates["on_request"].set()
        await settle()
        assert [bytes(a.wire).split()[1] for a in d.target.attempts] == [
            f"/{i}".encode() for i in range(20)
        ]
        for attempt in d.target.attempts:
            attempt.answer(200, last=True)
        d.rig.turn()
        assert {s.status for s in streams} == {200}

    run(main())


# -- timeouts, cancellation, lateness ------------------------------------------------------


def test_timeout_cancels(door: Doors, run: Run) -> None:
    async def main() -> None:
        gate("on_request")
        d = door(plugin(plugins.Waits, timeout_ms=100))
        stream = d.send()
        await settle()
        d.rig.pass_ms(200)
        assert stream.status == 504
        assert d.rig.records[0]["reason"] == "policy_timeout"
        await settle()
        assert plugins.notes[-1] == "on_request cancelled"

    run(main())


def test_timeout_with_pass_goes_on(door: Doors, run: Run) -> None:
    async def main() -> None:
        gate("on_request")
        d = door((plugin(plugins.Waits, timeout_ms=100), "enforce", "pass"))
        stream = d.send()
        d.rig.pass_ms(200)
        d.answer(204)
        assert stream.status == 204
        assert not any(line.startswith("X-Waited") for line in d.upstream)
        await settle()

    run(main())


@pytest.mark.parametrize("hook", ["on_request", "on_response"])
def test_client_gone_cancels(door: Doors, run: Run, hook: str) -> None:
    async def main() -> None:
        gate("on_request", "on_response")
        d = door(plugin(plugins.Waits, waits=[hook]))
        stream = d.ask()
        stream.leave()
        await settle()
        assert f"{hook} cancelled" in plugins.notes
        assert d.rig.records[0]["reason"] == "client_reset"

    run(main())


def test_late_results_are_dropped(door: Doors, run: Run) -> None:
    async def main() -> None:
        gate("on_request", "end")
        d = door(plugin(plugins.Stubborn, timeout_ms=100))
        stream = d.send()
        d.rig.pass_ms(200)
        assert stream.status == 504
        await settle()
        assert plugins.notes == ["refused to go"]
        plugins.gates["end"].set()
        await settle()
        assert isinstance(plugins.notes[-1], fastgw.ViewExpired)
        assert bytes(stream.body) != b"late\n"
        assert len(d.rig.records) == 1

    run(main())


def test_async_on_log_outlives_the_exchange(door: Doors, run: Run) -> None:
    async def main() -> None:
        gate("on_log")
        d = door(plugin(plugins.Waits, waits=["on_log"]))
        d.ask("/p")
        assert (plugins.notes, d.rig.dispatcher.live) == ([], 0)
        plugins.gates["on_log"].set()
        await settle()
        assert plugins.notes[0].path == "/p"

    run(main())


def test_nothing_is_kept(door: Doors, run: Run) -> None:
    """No cycle: views and tasks are gone with the exchange, without the collector."""

    async def main() -> None:
        gate("on_request")
        d = door(plugin(plugins.Waits))
        d.send()
        tasks = [weakref.ref(t) for t in asyncio.all_tasks() if t.get_name() == "waits.on_request"]
        assert len(tasks) == 1
        plugins.gates["on_request"].set()
        await settle()
        d.answer()
        assert tasks[0]() is None
        assert [o for o in gc.get_objects() if type(o).__name__ in ("Visit", "RequestView")] == []

    gc.disable()
    try:
        run(main())
    finally:
        gc.enable()


# -- failures ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "says"),
    [
        ("raises", "nobody home"),
        ("awaits", "nobody home"),
        ("returns", "not 42"),
        ("status", "status 99"),
        ("splits", "CR, LF"),
        ("host", "can't be edited"),
    ],
)
def test_failures(door: Doors, run: Run, way: str, says: str) -> None:
    async def main() -> None:
        d = door(plugin(plugins.Wrong, way=way))
        stream = d.ask()
        assert stream.status == 500
        assert d.rig.records[0]["reason"] == "policy_failed"
        assert says in d.logged
        passing = door((plugin(plugins.Wrong, way=way), "enforce", "pass"))
        assert passing.ask().status == 200
        assert not any("Split" in line or "evil" in line for line in passing.upstream)

    run(main())


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("nowhere", "module:Class"),
        (":X", "module:Class"),
        ("a:b c", "module:Class"),
        ("tests.policy.missing:X", "No module named"),
        ("tests.policy.plugins:X", "has no X"),
        ("tests.policy.plugins:NotAPolicy", "not a subclass"),
        ("tests.policy.plugins:notes", "not a subclass"),
    ],
)
def test_bad_names(spec: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        policy("plugin", **{"class": spec})


def test_options() -> None:
    made = plugin(plugins.Sync, colour="blue")
    assert isinstance(made, PythonPolicy)
    assert isinstance(made.plugin, plugins.Sync)
    assert made.plugin.options == {"colour": "blue"}
    with pytest.raises(ValueError, match="Empty takes no options"):
        plugin(plugins.Empty, colour="blue")
    with pytest.raises(ValueError, match="unknown option"):
        policy("plugin", **{"class": made.spec, "option": {}})


# -- views -------------------------------------------------------------------------------


def members(kind: type) -> set[str]:
    """Public names of a class."""
    return {name for name in dir(kind) if not name.startswith("_")} - {"register"}


def test_views_are_what_the_types_say(door: Doors) -> None:
    d = door(plugin(plugins.Sync))
    d.send("/p?q", [("B", "1"), ("b", "2")], method="PUT")
    view = plugins.notes[0]
    assert isinstance(view, fastgw.Request)
    assert isinstance(view.headers, fastgw.Headers)
    assert members(type(view)) == {n for n in vars(fastgw.Request()) if not n.startswith("_")}
    assert members(type(view.headers)) == members(fastgw.Headers)
    assert (view.method, view.path, view.query, view.host) == ("PUT", "/p", "q", "test.example")
    assert (view.scheme, view.client_ip, view.client_port, view.route) == (
        "http",
        "127.0.0.1",
        40000,
        "/",
    )
    headers = view.headers
    assert headers.get_all("B") == ["1", "2"]
    assert headers.get("b") == "1"
    assert headers.get("none", "x") == "x"
    assert ("B" in headers, "none" in headers, len(headers)) == (True, False, 4)
    assert list(headers)[:2] == ["B", "b"]
    assert headers.items()[:2] == [("B", "1"), ("b", "2")]
    d.answer()
    response = plugins.notes[1]
    assert isinstance(response, fastgw.Response)
    assert members(type(response)) == {"status", "headers", "body"}


def test_views_expire(door: Doors) -> None:
    d = door(plugin(plugins.Sync))
    d.send("/p")
    view = plugins.notes[0]
    headers = view.headers
    assert headers.get("x-plugin") == "/p"
    with pytest.raises(fastgw.ViewExpired, match="within the hook"):
        headers.set("X-Late", "1")
    d.answer()
    response = plugins.notes[1]
    uses: list[Callable[[], object]] = [
        lambda: view.path,
        lambda: view.headers.get("a"),
        lambda: headers.items(),
        lambda: response.status,
        lambda: headers.add("a", "b"),
        lambda: view.request_id,
    ]
    for use in uses:
        with pytest.raises(fastgw.ViewExpired, match="is over"):
            use()


def test_request_is_fixed_in_on_response(door: Doors) -> None:
    d = door(plugin(plugins.EditsTooLate))
    assert d.ask().status == 500
    assert "within the hook" in d.logged


@pytest.mark.parametrize(("old", "new"), [(200, 204), (304, 200), (200, 99), (200, True)])
def test_status_keeps_its_framing(door: Doors, old: int, new: int) -> None:
    assert door(plugin(plugins.SetsStatus, status=new)).ask(status=old).status == 500


# -- shadow ------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", ["on_request", "on_response"])
def test_shadow_edits_after_waiting_change_nothing(door: Doors, run: Run, hook: str) -> None:
    """A shadow's coroutine goes on beside the exchange, out of the runner's sight."""

    async def main() -> None:
        gate("on_request", "on_response")
        d = door((plugin(plugins.Waits, waits=[hook]), "shadow"))
        stream = d.send("/p?stop")
        if hook == "on_request":
            plugins.gates[hook].set()
            await settle()
            d.attempt.fail("connect_refused", connected=False)
        d.attempt.answer(200, [("A", "b")], length=4)
        plugins.gates[hook].set()
        await settle()
        d.attempt.feed(b"body", True)
        d.rig.turn()
        assert d.upstream == ["GET /p?stop HTTP/1.1"]
        assert (stream.status, stream.fields) == (200, [("A", "b")])
        would = d.rig.records[0]["shadow"]["would_respond"]
        assert would == [
            {"policy": "waits", "status": 403, "reason": "policy_reply", "hook": "on_request"}
        ]

    run(main())
