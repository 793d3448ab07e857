class ClientIs:
    name: str
    kind: str
    hooks: int
    def __init__(self, address: str, port: int = ...) -> None: ...
