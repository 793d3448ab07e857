from collections.abc import Iterable
from typing import Any

def begin_inner(
    dispatcher: Any,
    method: str = "GET",
    target: str = "/",
    fields: Iterable[tuple[str, str]] = (),
    *,
    last: bool = True,
    window: int = ...,
) -> ListReceiver: ...

class ListReceiver:
    status: int
    body: bytearray
    trailers: list[tuple[str, str]] | None
    ends: list[str]
    window: int
    def push(self, data: bytes, last: bool = False) -> bool: ...
    def grant(self, n: int) -> None: ...
    def abandon(self, reason: str = "cancelled") -> None: ...
