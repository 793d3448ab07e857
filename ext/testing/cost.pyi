from typing import Any

class QuietTarget:
    name: str

def request_ns(dispatcher: Any, n: int = 100000) -> float: ...
def request_id(now_ms: int) -> str: ...
