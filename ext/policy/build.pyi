from collections.abc import Callable
from typing import Any

# Policies are compiled classes without a common stub: name, kind and hooks are readable.
KINDS: dict[str, Callable[[str, dict[str, Any]], Any]]

def build_policy(kind: str, name: str, options: dict[str, Any]) -> Any: ...
