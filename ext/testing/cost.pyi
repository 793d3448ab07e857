from collections.abc import Callable
from typing import Any

class QuietTarget:
    name: str

def request_ns(dispatcher: Any, n: int = 100000) -> float: ...
def record_ns(
    dispatcher: Any, recorder: Any, callback: Callable[[], object], n: int = 100000
) -> float: ...
def request_id(now_ms: int) -> str: ...
