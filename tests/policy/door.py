"""A worker without sockets around a chain of policies: one route, one upstream."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fastgw.ext.policy.build import build_policy
from fastgw.ext.testing.client import FakeStream
from fastgw.ext.testing.origin import FakeAttempt, FakeTarget
from fastgw.ext.testing.policy_doors import ClientIs
from fastgw.ext.testing.rig import Rig
from fastgw.ext.testing.snapshot import HandSnapshot

Pairs = Iterable[tuple[str, str]]


class Door:
    """`chain`: policies, (policy, mode) or (policy, mode, "pass"), in order."""

    def __init__(self, *chain: Any, client: str = "127.0.0.1", path: str = "/") -> None:
        self.target = FakeTarget()
        self.path = path
        self.client = client
        self.rig = Rig(self.snapshot(chain))
        self.connection = self.rig.connect()

    def snapshot(self, chain: Sequence[Any]) -> HandSnapshot:
        """One route with these policies behind the one that says who the client is."""
        entries = [one if isinstance(one, tuple) else (one, "enforce") for one in chain]
        made = HandSnapshot()
        made.add_route(self.path, self.target, [(ClientIs(self.client), "enforce"), *entries])
        return made.seal()

    def reload(self, *chain: Any) -> None:
        """Swap the running snapshot."""
        self.rig.dispatcher.snapshot = self.snapshot(chain)

    def send(self, target: str = "/", fields: Pairs = (), **how: Any) -> FakeStream:
        """A request; without `last=False` it has no body."""
        return self.connection.request(how.pop("method", "GET"), target, fields, **how)

    def ask(
        self,
        target: str = "/",
        fields: Pairs = (),
        *,
        status: int = 200,
        answer: Pairs = (),
        body: bytes = b"",
        **how: Any,
    ) -> FakeStream:
        """A request, answered by the upstream if it gets there."""
        stream = self.send(target, fields, **how)
        self.answer(status, answer, body)
        return stream

    def answer(self, status: int = 200, fields: Pairs = (), body: bytes = b"") -> None:
        """The last attempt's answer, if there is one that is under way."""
        if self.target.attempts and not self.attempt.over:
            self.attempt.answer(status, fields, last=not body, length=len(body))
            if body:
                self.attempt.feed(body, True)
        self.rig.turn()

    @property
    def attempt(self) -> FakeAttempt:
        """The newest attempt."""
        return self.target.attempts[-1]

    @property
    def upstream(self) -> list[str]:
        """The lines of the head that the upstream got."""
        head = bytes(self.attempt.wire).split(b"\r\n\r\n")[0]
        return head.decode("latin-1").split("\r\n")

    @property
    def logged(self) -> str:
        """All that was logged."""
        return "\n".join(text for _, text in self.rig.logged)

    def close(self) -> None:
        """Nothing was told against the contract, and nothing is left."""
        self.rig.turn()
        assert self.connection.violations == []
        for attempt in self.target.attempts:
            assert attempt.violations == []
        assert self.rig.dispatcher.live == 0
        assert self.rig.deadlines == 0
        assert self.rig.in_use == 0


def policy(kind: str, /, **options: Any) -> Any:
    """A policy of a kind, named after it."""
    return build_policy(kind, kind, options)


def plugin(kind: type, *, timeout_ms: int = 5000, **options: Any) -> Any:
    """A policy of a plugin's class, which must be a module's."""
    return build_policy(
        "plugin",
        kind.__name__.lower(),
        {
            "class": f"{kind.__module__}:{kind.__name__}",
            "options": options,
            "timeout_ms": timeout_ms,
        },
    )
