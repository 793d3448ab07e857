class ClientIs:
    name: str
    kind: str
    hooks: int
    def __init__(self, address: str, port: int = ...) -> None: ...

class HidesFields:
    name: str
    kind: str
    hooks: int

class SuspendsWithoutTicket:
    name: str
    kind: str
    hooks: int
