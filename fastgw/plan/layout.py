"""Rows of a plan, as `ext/route/plan.pxd` lays them out."""

from __future__ import annotations

from struct import Struct
from typing import Final

LAYOUT: Final = 3
MAGIC: Final = b"FGWPLAN\0"
EMPTY_SLOT: Final = 0xFFFFFFFF
#: An index that points nowhere.
NOTHING: Final = 0xFFFFFFFF
#: Sections begin at multiples of this, a line of the cache.
ALIGN: Final = 64
#: The most segments a path in the plan may have: a bit each in masks.
MAX_SEGMENTS: Final = 63
#: The most bytes that a host's name may have (RFC 1035 section 2.3.4), a wildcard's dot included.
MAX_HOST: Final = 254

HEADER: Final = Struct("<8sIIQQII")
SECTION: Final = Struct("<QQII")
TEXT: Final = Struct("<II")
LIMITS: Final = Struct("<4IQ")
TIMEOUTS: Final = Struct("<8I")
SETTINGS: Final = Struct("<4IQ8IQIIQIB3x")
LISTENER: Final = Struct("<IIIIQQI4x")
HOST: Final = Struct("<4I")
HOST_SLOT: Final = Struct("<IIIHH")
LOOKS: Final = Struct("<QQII")
SHAPE: Final = Struct("<QBB6x")
PATH: Final = Struct("<Q8I")
PATH_SLOT: Final = Struct("<7IHBB")
CANDIDATE: Final = Struct("<IIHBB")
EXTRA: Final = Struct("<5I")
TEST: Final = Struct("<BBHI6IQ")
CAPTURE: Final = Struct("<IIHH")
RANGE: Final = Struct("<16s16s")
SET: Final = Struct("<II")
ROUTE: Final = Struct("<IIIIiIIBBBxI5I8IQ3I4x")
REWRITE: Final = Struct("<6I")
CHAIN: Final = Struct("<II")
STEP: Final = Struct("<IBB2xI")
TARGET: Final = Struct("<I")
OBJECT: Final = Struct("<IIII16sQQ")
STAT: Final = Struct("<IIII")
STATUS: Final = Struct("<H")
BYTES: Final = Struct("<c")

#: Sections in the order of the table, with a row's layout.
SECTIONS: Final[dict[str, Struct]] = {
    "settings": SETTINGS,
    "strings": BYTES,
    "listeners": LISTENER,
    "hosts": HOST,
    "host_slots": HOST_SLOT,
    "looks": LOOKS,
    "paths": PATH,
    "path_slots": PATH_SLOT,
    "shapes": SHAPE,
    "candidates": CANDIDATE,
    "extras": EXTRA,
    "tests": TEST,
    "captures": CAPTURE,
    "ranges": RANGE,
    "regexes": TEXT,
    "sets": SET,
    "names": TEXT,
    "routes": ROUTE,
    "rewrites": REWRITE,
    "chains": CHAIN,
    "steps": STEP,
    "targets": TARGET,
    "objects": OBJECT,
    "data": BYTES,
    "networks": TEXT,
    "stats": STAT,
    "statuses": STATUS,
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
#: Bits of Candidate.checks.
CHECK_TESTS: Final = 1
CHECK_REST: Final = 2
#: Kinds of a test, in the order of TestKind.
TESTS: Final = ("header", "query", "cookie", "client", "listener", "server_name")
#: How a test compares, in the order of TestOp.
TEST_OPS: Final = ("present", "exact", "regex")
#: Kinds of a shape, in the order of ShapeKind.
SHAPES: Final = ("exact", "regex", "prefix", "many")
#: What a listener's bit in a test allows.
MAX_LISTENERS: Final = 64
#: Bits of RewriteRow.flags.
REWRITE_MAP_BACK: Final = 1
REWRITE_TELL: Final = 2
#: How a route says what the upstream gets as Host, in the order of RouteRow.host_mode.
HOST_MODES: Final = ("", "keep", "upstream", "=")
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
