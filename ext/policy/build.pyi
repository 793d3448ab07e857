from collections.abc import Callable
from typing import Any

class BuiltPolicy:
    """What every kind has; compiled, so not to be subclassed from Python."""

    name: str
    kind: str
    hooks: int

KINDS: dict[str, Callable[[str, dict[str, Any]], BuiltPolicy]]

def build_policy(kind: str, name: str, options: dict[str, Any]) -> BuiltPolicy: ...
