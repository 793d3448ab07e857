from typing import final

from fastgw.ext.load.histogram import Histogram
from fastgw.ext.load.script import Script
from fastgw.ext.load.tls_client import TlsClient

@final
class Load:
    latency: Histogram
    service: Histogram
    done: int
    def __init__(
        self,
        address: tuple[str, int],
        script: Script,
        *,
        connections: int = 64,
        rate: float = 0.0,
        depth: int = 1,
        new_connection: bool = False,
        tls: TlsClient | None = None,
        upgrade: bytes = b"",
        events: bool = False,
        timeout_s: float = 10.0,
    ) -> None: ...
    def run(self, seconds: float) -> None: ...
    def connect(self, seconds: float = 5.0) -> int: ...
    def clear(self) -> None: ...
    def halt(self) -> None: ...
    def counted(self) -> dict[str, float]: ...
