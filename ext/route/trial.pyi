from typing import Any

from typing_extensions import Buffer

class Trials:
    def __init__(self, plan: Buffer) -> None: ...
    def ask(self, head: bytes, client: str = ..., listener: int = ...) -> dict[str, Any]: ...
