"""Rows of a plan, as `ext/route/plan.pxd` lays them out."""

from __future__ import annotations

from struct import Struct
from typing import Final

LAYOUT: Final = 1
MAGIC: Final = b"FGWPLAN\0"
EMPTY_SLOT: Final = 0xFFFFFFFF
#: The most segments a path in the plan may have: a bit each in a host's masks.
MAX_SEGMENTS: Final = 63

HEADER: Final = Struct("<8sIIQQII")
SECTION: Final = Struct("<QQII")
TEXT: Final = Struct("<II")
LIMITS: Final = Struct("<4IQ")
TIMEOUTS: Final = Struct("<8I")
SETTINGS: Final = Struct("<4IQ8IQQIB3x")
LISTENER: Final = Struct("<IIIIQQ")
HOST: Final = Struct("<IIQQ")
SLOT: Final = Struct("<II")
PATH: Final = Struct("<7I")
CANDIDATE: Final = Struct("<II")
ROUTE: Final = Struct("<IIIIiIIB3xI8I4xQ")
REWRITE: Final = Struct("<III")
CHAIN: Final = Struct("<II")
STEP: Final = Struct("<IBB2xI")
TARGET: Final = Struct("<I")
OBJECT: Final = Struct("<IIII16sQQ")
STAT: Final = Struct("<IIII")
BYTES: Final = Struct("<c")

#: Sections in the order of the table, with a row's layout.
SECTIONS: Final[dict[str, Struct]] = {
    "settings": SETTINGS,
    "strings": BYTES,
    "listeners": LISTENER,
    "hosts": HOST,
    "host_slots": SLOT,
    "paths": PATH,
    "path_slots": SLOT,
    "candidates": CANDIDATE,
    "routes": ROUTE,
    "rewrites": REWRITE,
    "chains": CHAIN,
    "steps": STEP,
    "targets": TARGET,
    "objects": OBJECT,
    "data": BYTES,
    "networks": TEXT,
    "stats": STAT,
}

#: Methods that a route may name, in the order of MethodId (ext/http/head.pxd).
METHODS: Final = (
    "OTHER",
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "CONNECT",
    "QUERY",
)
#: What a route may open of the path rule, in the order of PathAllow's bits.
PATH_ALLOW: Final = (
    "encoded_slash",
    "encoded_backslash",
    "backslash",
    "nul",
    "invalid_escape",
    "double_encoding",
    "dot_params",
)
#: Modes of a policy, in the order of PolicyMode.
MODES: Final = ("enforce", "shadow", "off")
#: What a client's FIN after its whole request means, in the order of RouteRow.client_eof.
CLIENT_EOF: Final = ("cancel", "finish")


def method_bits(methods: frozenset[str]) -> int:
    """A bit per method; 0 for the empty set, which means every method."""
    return sum(1 << METHODS.index(m) for m in methods)


def method_names(bits: int) -> list[str]:
    """The methods of `method_bits`, in the order of MethodId."""
    return [m for i, m in enumerate(METHODS) if bits >> i & 1]
