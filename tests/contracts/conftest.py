"""A worker without sockets for every proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fastgw.ext.testing.client import FakeConnection
from fastgw.ext.testing.origin import FakeTarget
from fastgw.ext.testing.rig import Rig
from fastgw.ext.testing.snapshot import HandSnapshot


class Bed:
    """One worker, one connection, one target behind `/`."""

    def __init__(
        self,
        policies: list[tuple[Any, ...]] | None = None,
        *,
        target: Any = None,
        bound: int = 64 << 20,
        **route: Any,
    ) -> None:
        self.target: FakeTarget = target if target is not None else FakeTarget()
        snapshot = HandSnapshot()
        snapshot.add_route("/", self.target, policies or [], **route)
        self.rig = Rig(snapshot.seal(), bound)
        self.conn: FakeConnection = self.rig.connect()
        self.request = self.conn.request

    @property
    def attempts(self) -> list[Any]:
        """Every attempt that was opened."""
        return self.target.attempts

    def check(self) -> None:
        """Nobody broke a contract, every exchange ended once, nothing is left."""
        assert self.conn.violations == []
        for a in getattr(self.target, "attempts", []):
            assert a.violations == []
        for s in self.conn.streams.values():
            assert len(s.ends) == 1, (s.id, s.ends, s.states)
        self.rig.turn()
        assert self.rig.dispatcher.live == 0
        assert self.rig.in_use == 0
        assert self.rig.deadlines == 0


MakeBed = Callable[..., Bed]


@pytest.fixture
def bed() -> Iterator[MakeBed]:
    """Makes beds, and checks each when the test ends."""
    made: list[Bed] = []

    def make(*args: Any, **kwargs: Any) -> Bed:
        made.append(Bed(*args, **kwargs))
        return made[-1]

    yield make
    while made:
        made.pop().check()
