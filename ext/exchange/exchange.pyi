from typing import Any

from fastgw.ext.exchange.shared import Recorder, Shared

class Dispatcher(Shared):
    def __init__(self, engine: Any, snapshot: Any, recorder: Recorder | None = None) -> None: ...

class LiveExchange: ...
