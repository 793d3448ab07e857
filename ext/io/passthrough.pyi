from collections.abc import Iterable, Mapping
from typing import Any

from fastgw.ext.io.listener import Acceptor

class PassAcceptor(Acceptor):
    name: str
    begun: int
    failed: int
    idle: int
    bytes_in: int
    bytes_out: int
    def __init__(
        self,
        name: str,
        servers: Iterable[Mapping[str, Any]],
        *,
        proxy: int = 0,
        connect_ms: int = 2000,
        idle_ms: int = 3_600_000,
    ) -> None: ...
    def readdress(self, names: Mapping[str, list[list[int | str]]]) -> None: ...
    def abort(self) -> None: ...
    def __len__(self) -> int: ...

class PassEnd: ...
class Pass: ...
