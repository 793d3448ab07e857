"""Messages between the master and its workers: length-prefixed msgpack maps.

Each has a `type`; the worker says hello, ready, failed, draining, stats; the master says
drain, stats.
"""

from __future__ import annotations

import struct
from typing import Any

import msgpack

#: A length above this is a broken peer, not a message.
MOST_BYTES = 1 << 20
_LENGTH = struct.Struct("<I")

Message = dict[str, Any]


class BrokenMessage(Exception):
    """The peer sent something that is no message."""


def pack(kind: str, **fields: object) -> bytes:
    """A message as it goes over the socket."""
    body: bytes = msgpack.packb({"type": kind, **fields})
    return _LENGTH.pack(len(body)) + body


class Inbox:
    """Puts the messages of a byte stream together."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Every message that is whole now."""
        self._held += data
        found: list[Message] = []
        while len(self._held) >= _LENGTH.size:
            (n,) = _LENGTH.unpack_from(self._held)
            if n > MOST_BYTES:
                raise BrokenMessage(f"a message of {n} bytes")
            if len(self._held) < _LENGTH.size + n:
                break
            found.append(unpack(bytes(self._held[_LENGTH.size : _LENGTH.size + n])))
            del self._held[: _LENGTH.size + n]
        return found


def unpack(body: bytes) -> Message:
    """One message's map."""
    try:
        message = msgpack.unpackb(body)
    except Exception as e:  # msgpack raises a family of its own
        raise BrokenMessage(str(e)) from e
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise BrokenMessage("not a map with a type")
    return message
