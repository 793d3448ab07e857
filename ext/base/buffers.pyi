class BufferPool:
    in_use: int
    bound_bytes: int
    full_bytes: int
    near_bytes: int
    refused: int
    live: int
    relief: bool
    def __init__(self, bound_bytes: int = ...) -> None: ...
