from fastgw.ext.io.engine import Engine
from fastgw.ext.io.stream import Relay, Relays

class PipeRelay(Relay): ...

class PipeRelays(Relays):
    spares: int
    busy: int
    most: int
    begun: int
    def __init__(self, most: int = 256) -> None: ...
    def serve(self, engine: Engine) -> None: ...
