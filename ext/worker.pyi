import asyncio
from collections.abc import Callable, Mapping
from mmap import mmap
from typing import Any

from fastgw.ext.record.rows import Rows
from fastgw.tls.material import TlsMaterial

class Worker:
    """The data plane of one process; see fastgw/worker.py for who calls what."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        plan: bytes | bytearray | memoryview | mmap,
        *,
        memory: int,
        max_connections: int,
        log: Callable[[str, str], None],
        access_log: str = ...,
        log_options: Mapping[str, Any] | None = ...,
        log_ring: int = ...,
        doorbell: int = ...,
        rows: Rows | None = ...,
        slot: int = ...,
        tls: TlsMaterial | None = None,
    ) -> None: ...
    def listen(self, index: int, fd: int) -> None: ...
    def drain(self, done: Callable[[], None]) -> None: ...
    def stop(self) -> None: ...
    def sample(self) -> None: ...
    def counters(self) -> dict[str, int]: ...
