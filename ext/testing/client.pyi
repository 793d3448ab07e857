from collections.abc import Callable, Iterable
from typing import Any

class FakeConnection:
    frames: list[tuple[int, str, Any]]
    violations: list[str]
    streams: dict[int, FakeStream]
    window: int
    def __init__(self, dispatcher: Any, window: int = ...) -> None: ...
    def request(
        self,
        method: str = "GET",
        target: str = "/",
        fields: Iterable[tuple[str, str]] = (),
        *,
        last: bool = True,
        length: int = -1,
        expect: bool = False,
        protocol: str | None = None,
        window: int = ...,
        on_event: Callable[[FakeStream, str], object] | None = None,
    ) -> FakeStream: ...
    def refused(self, reason: str) -> FakeStream: ...

class FakeStream:
    id: int
    outbox: list[tuple[Any, ...]]
    asked: bool
    asked_ever: bool
    window: int
    on_event: Callable[[FakeStream, str], object] | None
    status: int
    fields: list[tuple[str, str]]
    informational: list[int]
    body: bytearray
    trailers: list[tuple[str, str]] | None
    whole: bool
    tunnel: bool
    ends: list[str]
    live: bool
    states: tuple[int, int]
    exchange_snapshot: Any
    def push(self, data: bytes, last: bool = False, counted: bool = False) -> None: ...
    def push_trailers(self, pairs: Iterable[tuple[str, str]]) -> None: ...
    def grant(self, n: int) -> None: ...
    def leave(self, reason: str = "client_reset") -> None: ...
    def body_waiting(self) -> None: ...
    def break_body(self, reason: str = "bad_chunk") -> None: ...
    def rival(self) -> bool: ...
    def add_sink(self, sink: Any) -> None: ...
    def remove_sink(self, sink: Any) -> None: ...
