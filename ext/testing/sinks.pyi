class FakeSink:
    window: int
    body: bytearray
    whole: bool
    trailers: list[tuple[str, str]] | None
    cut: str | None
    def __init__(self, rule: str = "holds", bound: int = 0, window: int = ...) -> None: ...
    def grant(self, n: int) -> None: ...
