from typing import final

@final
class Script:
    def add(
        self,
        request: bytes,
        body: bytes | None = None,
        status: int = 0,
        no_body: bool = False,
    ) -> int: ...
    def mix(self, order: list[int], due_ns: list[int] | None = None) -> None: ...
    def __len__(self) -> int: ...
