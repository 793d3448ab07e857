from collections.abc import Callable, Sequence
from typing import Any

from fastgw.ext.io.listener import Acceptor
from fastgw.ext.io.tls.server import TlsServer

class TlsAcceptor(Acceptor):
    greeting: int
    handshakes: int
    resumed: int
    failures: int
    timeouts: int
    def __init__(
        self,
        behind: Acceptor,
        server: TlsServer,
        log: Callable[[str, dict[str, Any]], object] | None = None,
    ) -> None: ...
    def offer(self, server: TlsServer) -> None: ...
    def renew(self, files: Any, digests: Sequence[str]) -> None: ...
    def abort(self) -> None: ...
