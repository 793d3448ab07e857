"""The table behind the live-object counters, and a door to read it.

Extension modules can't share C globals by themselves; the table's address travels in
the process's environment, which every module's first use reads once.
"""

from libc.stdlib cimport calloc
from libc.stdint cimport uintptr_t
from libc.stdio cimport snprintf

cdef extern from "stdlib.h" nogil:
    int setenv(const char* name, const char* value, int overwrite)

#: Names of the counters, in the order of `LiveKind`.
KINDS: tuple[str, ...] = (
    "buffers", "streams", "exchanges", "attempts", "tickets", "deadlines",
)

cdef char _address[32]
if FASTGW_DEBUG_ON:
    snprintf(_address, 32, "%llu", <unsigned long long><uintptr_t>calloc(LIVE_KINDS, sizeof(long)))
    setenv("FASTGW_LIVE_TABLE", _address, 1)


def debug_build() -> bool:
    """Whether this is a build with counters and asserts."""
    return bool(FASTGW_DEBUG_ON)


def live() -> dict[str, int]:
    """Objects alive now, by kind; empty in release builds."""
    if not FASTGW_DEBUG_ON:
        return {}
    return {name: debug_live(kind) for kind, name in enumerate(KINDS)}
