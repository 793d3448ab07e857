"""msgpack, typed: the maps of the data section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack

from fastgw.ext.route.errors import PlanError


def pack(options: Mapping[str, Any] | list[Any]) -> bytes:
    """The bytes of a map or list."""
    packed: bytes = msgpack.packb(dict(options) if isinstance(options, Mapping) else options)
    return packed


def unpack(data: bytes | memoryview) -> dict[str, Any]:
    """The map that the bytes are; PlanError for anything else."""
    try:
        options = msgpack.unpackb(data)
    except (ValueError, msgpack.UnpackException) as e:
        raise PlanError(f"options can't be read: {e}") from None
    if not isinstance(options, dict):
        raise PlanError("options are not a map")
    return options
