"""The plan: one segment that a generation of configuration is compiled into.

Flat sections (this file: little-endian, fixed rows, offsets from the start of the
strings section, no pointers) are read in place by every worker. What must be an object
(policies, targets, upstream options) stands in a table of objects {kind, id, content
hash, offset, length}, each a small msgpack map. `fastgw/plan.py` writes what this reads.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef struct Text:
    uint32_t at                 # offset into the strings section
    uint32_t n                  # length in bytes


# Milliseconds; 0 = no limit. docs/server-behaviour.md says what starts and stops each.
cdef struct Timeouts:
    uint32_t request_head       # first byte of a head -> head whole
    uint32_t body_idle          # ready to read the body -> next byte
    uint32_t connect            # connect() -> connected
    uint32_t response_head      # request sent -> response head
    uint32_t idle               # a byte moved -> the next one, either side
    uint32_t request            # head whole -> response head there, retries included
    uint32_t keepalive          # answer delivered -> next head's first byte
    uint32_t linger             # early answer sent -> connection closed


cdef struct Limits:
    uint32_t head               # bytes of a head
    uint32_t target             # bytes of the request target
    uint32_t fields             # field lines of a head
    uint32_t requests           # requests on one client connection; 0 = no limit
    uint64_t body               # bytes of a request body; 0 = no limit


# What the path rule refuses unless a route opens it by name; it then stays encoded.
cdef enum PathAllow:
    ALLOW_ENCODED_SLASH     = 1 << 0    # %2F
    ALLOW_ENCODED_BACKSLASH = 1 << 1    # %5C
    ALLOW_BACKSLASH         = 1 << 2    # a raw backslash
    ALLOW_NUL               = 1 << 3    # %00
    ALLOW_INVALID_ESCAPE    = 1 << 4    # % without two hex digits
    ALLOW_DOUBLE_ENCODING   = 1 << 5    # %25 before 2E, 2F, 5C or 25
    ALLOW_DOT_PARAMS        = 1 << 6    # a dot segment with ';'


cdef struct RewriteRow:
    uint32_t strip_n            # bytes taken off the path's front
    Text prefix                 # put there instead


cdef struct RouteRow:
    Text name                   # identity of statistics and logs
    uint32_t target             # index into the snapshot's targets
    uint32_t chain              # index into the snapshot's chains of policies
    int32_t rewrite             # index into the rewrites; -1 = the path goes as it is
    uint32_t allow              # PathAllow bits that this route opens
    uint32_t methods            # bit per MethodId; 0 = every method
    uint8_t client_eof          # 0 = cancel, 1 = finish
    uint8_t pad[3]
    uint32_t stat               # row of the route's counters
    Timeouts timeouts
    uint64_t body_limit         # bytes; 0 = no limit
