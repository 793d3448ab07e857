from collections.abc import Callable
from typing import Any

from fastgw.ext.io.connection_limit import ConnectionLimit
from fastgw.ext.io.engine import Engine, Handle
from fastgw.ext.io.stream import ConnectionTally

class Acceptor: ...
class Door: ...

class Listener(Handle):
    index: int
    accepted: int
    at_limit: int
    no_files: int
    aborted: int
    def __init__(
        self,
        engine: Engine,
        fd: int,
        acceptor: Acceptor,
        limit: ConnectionLimit,
        index: int = 0,
        user_timeout_ms: int = ...,
        shared: bool = False,
        log: Callable[[str, dict[str, Any]], object] | None = None,
        door: Door | None = None,
        tally: ConnectionTally | None = None,
    ) -> None: ...
    @property
    def address(self) -> str: ...
    @property
    def accepting(self) -> bool: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def close(self) -> None: ...
