import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from typing_extensions import Buffer

from fastgw.ext.base.address_counts import AddressCounts
from fastgw.ext.record.rows import Rows
from fastgw.ext.shm.statistics import Column
from fastgw.tls.material import TlsMaterial

class Worker:
    """The data plane of one process; see fastgw/worker.py for who calls what."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        plan: Buffer,
        *,
        memory: int,
        max_connections: int,
        log: Callable[[str, str], None],
        access_log: str = ...,
        column: Column | None = ...,
        log_options: Mapping[str, Any] | None = ...,
        log_ring: int = ...,
        doorbell: int = ...,
        rows: Rows | None = ...,
        slot: int = ...,
        counting: bool = ...,
        tls: TlsMaterial | None = None,
        addresses: AddressCounts | None = None,
    ) -> None: ...
    def listen(self, index: int, fd: int, shared: bool = ...) -> None: ...
    def unlisten(self, fd: int) -> None: ...
    def prepare(self, plan: Buffer, tls: TlsMaterial | None = ...) -> Iterator[None]: ...
    def forget(self) -> None: ...
    def renew(self, tls: TlsMaterial, digests: Sequence[str]) -> None: ...
    def switch(self, indexes: Mapping[int, int]) -> None: ...
    def end_requests(self) -> None: ...
    def retire(self, done: Callable[[], None]) -> None: ...
    def drain(self, done: Callable[[], None]) -> None: ...
    def sample(self) -> None: ...
    def stop(self) -> None: ...
    def counters(self) -> dict[str, int]: ...
