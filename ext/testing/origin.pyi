from collections.abc import Callable, Iterable
from typing import Any

class FakeTarget:
    name: str
    attempts: list[FakeAttempt]
    auto_ready: bool
    on_begin: Callable[[FakeAttempt], object] | None
    on_told: Callable[[FakeAttempt, Any], object] | None
    raises: bool
    def __init__(
        self,
        name: str = "fake",
        *,
        auto_ready: bool = True,
        max_tries: int = 3,
        retry: bool = True,
        whole_limit: int = -1,
    ) -> None: ...

class FakeAttempt:
    wire: bytearray
    events: list[Any]
    violations: list[str]
    inbox: list[tuple[Any, ...]]
    asked: bool
    answered: bool
    over: bool
    tunnel: bool
    window: int
    def ready(self) -> None: ...
    def answer(
        self,
        status: int = 200,
        fields: Iterable[tuple[str, str]] = (),
        *,
        last: bool = False,
        length: int = -1,
        tunnel: bool = False,
    ) -> None: ...
    def inform(self, status: int) -> None: ...
    def feed(self, data: bytes, last: bool = False, counted: bool = False) -> None: ...
    def may_relay(self) -> bool: ...
    def feed_trailers(self, pairs: Iterable[tuple[str, str]]) -> None: ...
    def fail(
        self,
        reason: str = "upstream_reset",
        *,
        connected: bool = True,
        reused: bool = False,
        sent: bool = False,
        peer_closed_first: bool = False,
    ) -> None: ...
    def enough(self) -> None: ...
    def grant(self, n: int) -> None: ...

class EchoTarget:
    def __init__(self) -> None: ...

class StaticTarget:
    status: int
    body: bytes
    def __init__(self, body: bytes = b"", status: int = 200) -> None: ...
