from collections.abc import Sequence
from typing import Any

from fastgw.ext.route.load import PlanSnapshot

class AnyTarget:
    name: str
    options: dict[str, Any]
    def __init__(self, name: str, options: dict[str, Any]) -> None: ...

class AnyPolicy:
    name: str
    options: dict[str, Any]
    wait_ms: int
    def __init__(self, name: str, options: dict[str, Any]) -> None: ...

class Asked:
    connected: bool
    def take_client(self, packed: bytes) -> None: ...

def match(
    s: PlanSnapshot,
    host: bytes,
    path: bytes,
    method: int,
    *,
    query: bytes | None = ...,
    fields: Sequence[tuple[bytes, bytes]] = ...,
    client: bytes | None = ...,
    listener: int = ...,
) -> tuple[int, int]: ...
def parameter(
    s: PlanSnapshot, host: bytes, path: bytes, method: int, name: bytes
) -> bytes | None: ...
def match_ns(s: PlanSnapshot, requests: list[tuple[bytes, bytes, int]], rounds: int) -> float: ...
def route_row(s: PlanSnapshot, i: int) -> dict[str, Any]: ...
def settings(s: PlanSnapshot) -> dict[str, Any]: ...
def rewrite_row(s: PlanSnapshot, i: int) -> tuple[bytes, bytes]: ...
def target_of(s: PlanSnapshot, route: int) -> Any: ...
def chain(s: PlanSnapshot, route: int) -> dict[str, Any]: ...
