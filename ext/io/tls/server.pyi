from collections.abc import Iterator, Sequence
from typing import Any

from fastgw.ext.io.tls.tickets import TicketKeys

class TlsServer:
    handshake_ms: int
    most_handshakes: int
    most_by_address: int
    parsed_count: int
    trouble: str | None
    def renew(self, files: Any, digests: Sequence[str]) -> None: ...
    def fill(self, previous: TlsServer | None = None) -> Iterator[None]: ...
    def __init__(self, options: dict[str, Any], files: Any, tickets: TicketKeys) -> None: ...
