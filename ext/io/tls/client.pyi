from collections.abc import Callable
from typing import Any

class TlsClient:
    handshakes: int
    resumed: int
    failures: int
    trouble: str | None
    def __init__(
        self,
        options: dict[str, Any],
        files: Any,
        host: str,
        literal: bool,
        label: str,
        log: Callable[[str, str], object] | None = None,
    ) -> None: ...
