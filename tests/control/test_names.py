"""Names looked after: their TTLs, changes, and what stays when DNS fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fastgw.control import names as module
from fastgw.control.names import Names
from fastgw.control.resolver import Found, LookupFailed, Resolver
from fastgw.ext.shm.segment import SegmentError, seal_bytes
from fastgw.names import Addresses, read_names, seal_names

V4 = 2


class Scripted(Resolver):
    """Answers what it is told to, without DNS; `asked` counts."""

    def __init__(self) -> None:
        super().__init__()
        self.says: dict[str, Found | LookupFailed] = {}
        self.asked: list[str] = []
        self.waits = asyncio.Event()
        self.waits.set()

    async def find(self, host: str) -> Found:
        self.asked.append(host)
        await self.waits.wait()
        said = self.says[host]
        if isinstance(said, LookupFailed):
            raise said
        return said


class Watch:
    """Names under test, and what they told."""

    def __init__(self) -> None:
        self.resolver = Scripted()
        self.told: list[Addresses] = []
        self.said: list[str] = []
        self.names = Names(
            self.resolver, self.told.append, lambda _level, text: self.said.append(text)
        )

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)


def run(test: Callable[[Watch], Awaitable[None]]) -> Watch:
    """A test in a loop of its own."""

    async def main() -> Watch:
        watch = Watch()
        await test(watch)
        watch.names.stop()
        return watch

    return asyncio.run(main())


def found(*texts: str, ttl_s: float = 30.0) -> Found:
    return Found(tuple((V4, text) for text in texts), ttl_s)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred times as fast."""
    monkeypatch.setattr(module, "LEAST_TTL_S", 0.01)
    monkeypatch.setattr(module, "MOST_TTL_S", 0.6)
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    monkeypatch.setattr(module, "MOST_RETRY_S", 0.15)


def test_every_name_is_told_with_all_of_its_addresses() -> None:
    async def test(w: Watch) -> None:
        w.resolver.says = {"a": found("10.0.0.1", "10.0.0.2"), "b": found("10.0.0.3")}
        w.names.watch(["a", "b"])
        await w.until(lambda: w.told and len(w.told[-1]) == 2)

    w = run(test)
    assert w.told == [{"a": [[V4, "10.0.0.1"], [V4, "10.0.0.2"]], "b": [[V4, "10.0.0.3"]]}]
    assert sorted(w.resolver.asked) == ["a", "b"]


def test_a_change_is_told_and_no_change_is_not(quick: None) -> None:
    async def test(w: Watch) -> None:
        w.resolver.says = {"a": found("10.0.0.1", ttl_s=0.01)}
        w.names.watch(["a"])
        await w.until(lambda: len(w.resolver.asked) > 3)
        assert len(w.told) == 1
        w.resolver.says = {"a": found("10.0.0.9", ttl_s=0.01)}
        await w.until(lambda: len(w.told) == 2)

    assert run(test).told[1] == {"a": [[V4, "10.0.0.9"]]}


def test_ttl_is_kept_within_bounds() -> None:
    w = run_nothing()
    w.names.known["a"] = module.Name()
    assert w.names._took("a", found("10.0.0.1", ttl_s=0)) == 1.0
    assert w.names._took("a", found("10.0.0.1", ttl_s=7)) == 7.0
    assert w.names._took("a", found("10.0.0.1", ttl_s=86400)) == 60.0


def run_nothing() -> Watch:
    async def test(w: Watch) -> None:
        w.names._tell_soon = lambda: None  # type: ignore[method-assign]

    return run(test)


def test_the_last_good_addresses_stay(quick: None) -> None:
    """Whatever fails: no such name, no answer. It is said once, and asked again ever later."""

    async def test(w: Watch) -> None:
        w.resolver.says = {"a": found("10.0.0.1", ttl_s=0.01)}
        w.names.watch(["a"])
        await w.until(lambda: w.told)
        w.resolver.says = {"a": LookupFailed("no such name")}
        await w.until(lambda: w.names.failures > 3)
        assert w.names.known["a"].addresses == ((V4, "10.0.0.1"),)
        assert (w.names.unresolved, len(w.told)) == (0, 1)
        w.resolver.says = {"a": found("10.0.0.2", ttl_s=60)}
        await w.until(lambda: len(w.told) == 2)

    w = run(test)
    assert w.said.count("host a: no such name; its last addresses are kept") == 1
    assert w.said[-2:] == ["host a: resolved again", "host a: 10.0.0.2"]


def test_a_name_that_never_had_an_address(quick: None) -> None:
    async def test(w: Watch) -> None:
        w.resolver.says = {"a": LookupFailed("no name server answers")}
        w.names.watch(["a"])
        await w.until(lambda: w.names.failures > 2)
        assert (w.names.unresolved, w.told) == (1, [])

    assert run(test).said == ["host a: no name server answers; it has no address"]


def test_retries_come_ever_later() -> None:
    w = run_nothing()
    w.names.known["a"] = module.Name()
    waits = [w.names._failed("a", LookupFailed("x")) for _ in range(7)]
    assert waits == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]


def test_names_that_are_not_wanted_any_more() -> None:
    async def test(w: Watch) -> None:
        w.resolver.says = {"a": found("10.0.0.1"), "b": found("10.0.0.2")}
        w.names.watch(["a"])
        await w.until(lambda: w.told)
        w.names.watch(["b"])
        await w.until(lambda: len(w.told) == 2)
        assert set(w.names.known) == {"b"}

    assert run(test).told[1] == {"b": [[V4, "10.0.0.2"]]}


def test_what_one_before_us_found() -> None:
    """Is kept until DNS says otherwise; the same again is no news."""

    async def test(w: Watch) -> None:
        w.resolver.says = {"a": found("10.0.0.1"), "b": LookupFailed("no such name")}
        w.resolver.waits.clear()
        w.names.watch(["a", "b"])
        w.names.learn({"a": [[V4, "10.0.0.1"]], "b": [[V4, "10.0.0.2"]]})
        w.resolver.waits.set()
        await w.until(lambda: w.names.failures)
        assert (w.names.unresolved, w.told) == (0, [])

    run(test)


def test_other_name_servers() -> None:
    async def test(w: Watch) -> None:
        w.resolver.says = {"a": found("10.0.0.1")}
        w.names.watch(["a"])
        await w.until(lambda: w.told)
        other = Scripted()
        other.says = {"a": found("10.0.0.2")}
        w.names.use(other)
        w.names.watch(["a"])
        await w.until(lambda: len(w.told) == 2)

    assert run(test).told[1] == {"a": [[V4, "10.0.0.2"]]}


def test_the_segment() -> None:
    addresses: Addresses = {"a": [[2, "10.0.0.1"], [10, "::1"]]}
    fd = seal_names(addresses, 7)
    assert read_names(fd) == (addresses, 7)


@pytest.mark.parametrize("data", [b"", b"x" * 100, b"FGWNAME\0" + bytes(92)])
def test_what_is_no_segment_is_refused(data: bytes) -> None:
    with pytest.raises(SegmentError):
        read_names(seal_bytes("broken", data))
