"""What a plan says of the processes instead of requests: an object of kind `node`."""

from __future__ import annotations

from typing import Any

KIND = "node"


class NodeOptions:
    """`options` is {"access_log": {...}, "dns": {...}, "hidden": {value: reference}}, each only
    if the configuration says something about it. Workers look at the first, the control process
    at all: what references brought is shown by none of its answers."""

    def __init__(self, name: str, options: dict[str, Any]) -> None:
        self.options = options
