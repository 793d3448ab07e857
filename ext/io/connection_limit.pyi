class ConnectionLimit:
    max: int
    current: int
    reached: int
    stopped: bool
    def __init__(self, max: int) -> None: ...
