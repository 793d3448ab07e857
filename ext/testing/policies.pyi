from typing import Any

class Seen:
    hook: str
    event: str | None
    chunk: bytes | None
    last: bool
    body: bytes | None
    status: int
    fields: list[tuple[str, str]]

class ScriptedPolicy:
    name: str
    kind: str
    hooks: int
    calls: list[tuple[str, Any]]
    tickets: list[Any]
    def __init__(
        self,
        name: str,
        script: dict[str, Any],
        *,
        limit: int = ...,
        changes_length: tuple[bool, bool] = (True, True),
        timeout_ms: int = 1000,
    ) -> None: ...
    def fire(self, i: int = -1, event: str = "done") -> bool: ...
    def names(self) -> list[str]: ...
