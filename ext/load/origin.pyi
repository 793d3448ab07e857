from typing import final

@final
class Origin:
    port: int
    requests: int
    def __init__(
        self,
        answers: list[tuple[bytes, str, bytes, int]],
        *,
        port: int = 0,
        ip: str = "127.0.0.1",
        stall_ms: int = 0,
        stall_every_ms: int = 0,
    ) -> None: ...
    def run(self) -> None: ...
    def halt(self) -> None: ...
