from collections.abc import Callable
from typing import Any

class Recorder: ...

class Shared:
    engine: Any
    snapshot: Any
    recorder: Recorder | None
    live: int
    begun: int
    tunnels: int
    tunnels_opened: int
    tickets_stale: int
    draining: bool
    ending: bool
    column: Any
    on_idle: Callable[[], object] | None
    log: Callable[[str, str], object] | None
    def __init__(self, engine: Any, snapshot: Any, recorder: Recorder | None = None) -> None: ...
    def follow_clock(self) -> None: ...
    def say(self, level: str, text: str) -> None: ...
    def report_failure(self, policy: str, hook: str, x: Any) -> None: ...
