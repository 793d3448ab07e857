import asyncio

from fastgw.ext.base.buffers import BufferPool
from fastgw.ext.base.deadlines import Wheel

class Handle: ...

class Engine:
    epfd: int
    timerfd: int
    pool: BufferPool
    wheel: Wheel
    now_ms: int
    now_us: int
    scratch_n: int
    turns: int
    wakeups: int
    events: int
    sends: int
    receives: int
    arms: int
    rounds: int
    busy: int
    def __init__(self, pool: BufferPool | None = None) -> None: ...
    def attach(self, loop: asyncio.AbstractEventLoop) -> None: ...
    def detach(self, loop: asyncio.AbstractEventLoop | None = None) -> None: ...
    def run(self) -> None: ...
    def run_woken(self) -> None: ...
