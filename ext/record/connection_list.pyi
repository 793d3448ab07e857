from typing import Any

def list_connections(
    connections: Any, passes: Any, names: list[str], after: int, limit: int
) -> list[dict[str, Any]]:
    """The oldest connections whose `id` is above `after`: `limit` of them, and those that came
    in the same turn as the last."""
