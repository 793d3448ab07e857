from collections.abc import Iterable
from typing import Any

class HandSnapshot:
    number: int
    sealed: bool
    route_count: int
    def __init__(self, number: int = 1) -> None: ...
    def add_route(
        self,
        prefix: str,
        target: Any,
        policies: Iterable[tuple[Any, ...]] = (),
        *,
        timeouts: dict[str, int] | None = None,
        body_limit: int = 0,
        allow: int = 0,
        rewrite: tuple[int, str] | None = None,
        methods: int = 0,
    ) -> None: ...
    def seal(self) -> HandSnapshot: ...
