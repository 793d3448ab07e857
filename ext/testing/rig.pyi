from typing import Any

from fastgw.ext.testing.client import FakeConnection

class Rig:
    engine: Any
    dispatcher: Any
    recorder: Any
    logged: list[tuple[str, str]]
    records: list[dict[str, Any]]
    in_use: int
    deadlines: int
    def __init__(self, snapshot: Any, bound_bytes: int = ...) -> None: ...
    def connect(self, *, window: int = ...) -> FakeConnection: ...
    def turn(self) -> None: ...
    def pass_ms(self, ms: int) -> None: ...
    def limit(self, bytes_left: int) -> None: ...
