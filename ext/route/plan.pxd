"""The plan: one segment that a generation of configuration is compiled into.

    header | table of sections | sections, each at a multiple of 64

Flat sections (this file: little-endian, fixed rows, offsets from the start of the
strings section, no pointers) are read in place by every worker. What must be an object
(policies, targets, upstream options) stands in a table of objects {kind, name, content
hash, offset, length}, each a small msgpack map. `fastgw/plan/` writes what this reads;
`fastgw/plan/layout.py` spells the same rows for Python, and a test compares the two.

Every offset, length and index is checked once, by `plan_open`; afterwards rows are used
as they are. Whoever adds a field raises PLAN_LAYOUT.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef enum:
    PLAN_LAYOUT = 3             # version of everything in this file

cdef enum:
    EMPTY_SLOT = 0xFFFFFFFF     # HostSlot.host, PathSlot.path: nothing is in the slot
    NOTHING = 0xFFFFFFFF        # an index that points nowhere

# Sections, in the order of the table. The comment is a row's type.
cdef enum SectionId:
    SECTION_SETTINGS            # Settings, one row
    SECTION_STRINGS             # bytes, UTF-8
    SECTION_LISTENERS           # ListenerRow
    SECTION_HOSTS               # HostRow; the first is the default host
    SECTION_HOST_SLOTS          # HostSlot
    SECTION_LOOKS               # LooksRow
    SECTION_PATHS               # PathRow
    SECTION_PATH_SLOTS          # PathSlot
    SECTION_SHAPES              # ShapeRow
    SECTION_CANDIDATES          # Candidate
    SECTION_EXTRAS              # ExtraRow
    SECTION_TESTS               # TestRow
    SECTION_CAPTURES            # CaptureRow
    SECTION_RANGES              # RangeRow
    SECTION_REGEXES             # Text: patterns; those of a set stand together
    SECTION_SETS                # SetRow
    SECTION_NAMES               # Text: server names that tests name
    SECTION_ROUTES              # RouteRow
    SECTION_REWRITES            # RewriteRow
    SECTION_CHAINS              # ChainRow
    SECTION_STEPS               # StepRow
    SECTION_TARGETS             # uint32_t, index of an object
    SECTION_OBJECTS             # ObjectRow
    SECTION_DATA                # bytes: the objects' msgpack maps
    SECTION_NETWORKS            # Text: trusted_proxies
    SECTION_STATS               # StatRow
    SECTION_STATUSES            # uint16_t: what routes replace of the upstream's answers
    SECTIONS


cdef struct PlanHeader:
    char magic[8]               # "FGWPLAN\0"
    uint32_t layout             # PLAN_LAYOUT
    uint32_t sections           # rows of the table of sections
    uint64_t size               # bytes of the whole plan
    uint64_t number             # generation number
    uint32_t checksum           # CRC-32 of the plan with this field zero
    uint32_t reserved


cdef struct SectionRow:
    uint64_t offset             # from the start of the plan
    uint64_t count              # rows
    uint32_t stride             # bytes a row
    uint32_t id                 # SectionId


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


cdef enum RewriteFlag:
    REWRITE_MAP_BACK  = 1 << 0  # Location and its like are turned back in the answer
    REWRITE_TELL      = 1 << 1  # X-Forwarded-Prefix says what was taken off


cdef struct RewriteRow:
    Text strip                  # taken off the path's front
    Text prefix                 # put there instead
    uint32_t object             # index of a PathRewriter's ObjectRow, which makes the path
                                # instead; NOTHING = strip and prefix do
    uint32_t flags              # RewriteFlag


cdef struct RouteRow:
    Text name                   # identity of statistics and logs
    uint32_t target             # index into the snapshot's targets
    uint32_t chain              # index into the snapshot's chains of policies
    int32_t rewrite             # index into the rewrites; -1 = the path goes as it is
    uint32_t allow              # PathAllow bits that this route opens
    uint32_t methods            # bit per MethodId; 0 = every method
    uint8_t client_eof          # 0 = cancel, 1 = finish
    uint8_t host_mode           # 0 = as the target says, else 1 + HostMode
    uint8_t limited             # some of the limits of heads below is said
    uint8_t pad
    uint32_t stat               # row of the route's counters
    Text host                   # with HOST_FIXED: what the upstream gets as Host
    uint32_t pages              # index of the error pages' ObjectRow, or NOTHING
    uint32_t statuses           # first of the statuses that get one of the pages instead
    uint32_t statuses_n
    Timeouts timeouts
    uint64_t body_limit         # bytes; 0 = no limit
    uint32_t head_limit         # bytes of a head, of its target, and its field lines, below
    uint32_t target_limit       # those of the listener, which hold until the route is known;
    uint32_t fields_limit       # 0 = no more than these
    uint32_t pad_end


cdef struct Settings:
    Limits limits               # of the listeners
    Timeouts timeouts           # of the listeners, until a route is known
    uint64_t memory             # bytes that all buffers of a worker may take
    uint32_t pages              # error pages of requests without a route, or NOTHING
    uint32_t forced             # some listener's requests all go to one route
    uint64_t wildcard_labels    # bit n: some wildcard host has n labels after the star
    uint32_t allow_any          # union of the routes' `allow`
    uint8_t error_html          # text/html error pages for those who accept them
    uint8_t pad[3]


cdef struct ListenerRow:
    Text name
    Text address                # 127.0.0.1:80, :80, [::1]:80, unix:/path
    uint64_t options_at         # msgpack map in the data section
    uint64_t options_n
    uint32_t route              # takes every request of this listener; NOTHING = matching
    uint32_t pad                # decides


# -- the matcher's tables -------------------------------------------------------------

# A request's way through these tables is a wait for memory at each step, so there are few
# steps: a slot has what a match needs of its host, or of its path if only one route wants it.
# Slots are tables with open addressing and linear probing: a power of two of slots, at least
# one of them empty; the upper half of the key's hash picks the first.

# A quarter of a line of the cache.
cdef struct HostSlot:
    uint32_t host               # index of its HostRow, or EMPTY_SLOT
    uint32_t looks              # index of its LooksRow
    uint32_t name               # offset into the strings
    uint16_t tag                # the hash's lowest bits
    uint16_t n                  # bytes of the name


cdef struct HostRow:
    Text name                   # api.example.com; .example.com for *.example.com; "" first
    uint32_t looks              # index of its LooksRow
    uint32_t set                # its regexes, or NOTHING


# What the paths of a host look like; hosts that look alike share a row, so that it is near.
cdef struct LooksRow:
    uint64_t exact_depths       # bit n: some exact path of n segments
    uint64_t prefix_depths      # bit n: some prefix of n segments; 0 segments = "/*"
    uint32_t shapes             # first ShapeRow; there are some when some path has parameters
    uint32_t shapes_n           # or is a regex, and then for all paths


cdef enum ShapeKind:
    SHAPE_EXACT
    SHAPE_REGEX                 # the depth is that of the fixed front
    SHAPE_PREFIX
    SHAPE_MANY                  # in a PathSlot only: its PathRow tells


# What paths of a host look like, in the order in which they are tried: static before
# parameter, segment by segment, then the end, a regex, a prefix.
cdef struct ShapeRow:
    uint64_t params             # bit n: segment n is a parameter; the first one is 0
    uint8_t depth               # segments
    uint8_t kind                # ShapeKind
    uint8_t pad[6]


cdef enum Check:
    CHECK_TESTS = 1 << 0        # its ExtraRow has tests
    CHECK_REST  = 1 << 1        # the path must go on after a slash: {name...}


cdef struct Candidate:
    uint32_t route              # index of its RouteRow
    uint32_t extra              # index of its ExtraRow, or NOTHING
    uint16_t methods            # bit per MethodId; 0 = every method
    uint8_t checks              # Check bits
    uint8_t kind                # ShapeKind of its path


# Half a line of the cache.
cdef struct PathSlot:
    uint32_t hash               # low half of the key's hash
    uint32_t path               # index of its PathRow, or EMPTY_SLOT
    uint32_t host               # index of its HostRow
    Text text                   # the PathRow's path
    Candidate own               # the only one, if it is no regex; else its kind is SHAPE_MANY


cdef struct PathRow:
    uint64_t params             # bit n: segment n is a parameter
    uint32_t host               # index of its HostRow
    Text path                   # /orders for both /orders and /orders/*; "" for /*;
                                # parameters are written {}
    uint32_t first              # first Candidate: those of the exact path, then of the
    uint32_t exact_n            # prefix, then of regexes with this front
    uint32_t prefix_n
    uint32_t regex_n
    uint32_t regex              # number within the host's set of the first one's pattern


# What a candidate has besides methods.
cdef struct ExtraRow:
    uint32_t tests              # first TestRow
    uint32_t tests_n
    uint32_t captures           # first CaptureRow
    uint32_t captures_n
    uint32_t regex              # pattern of a regex path, or NOTHING


cdef enum TestKind:
    TEST_HEADER
    TEST_QUERY
    TEST_COOKIE
    TEST_CLIENT                 # the client's address is in a range
    TEST_LISTENER               # `bits` has the listener
    TEST_SERVER_NAME            # the TLS server name is one of the ranges' texts

cdef enum TestOp:
    OP_PRESENT
    OP_EXACT
    OP_REGEX


cdef struct TestRow:
    uint8_t kind                # TestKind
    uint8_t op                  # TestOp
    uint16_t id                 # of a well-known header (NameId)
    uint32_t regex              # with OP_REGEX
    Text name                   # of header (lower case), parameter or cookie
    Text value                  # with OP_EXACT
    uint32_t first              # first RangeRow, with TEST_CLIENT; first Text of
    uint32_t n                  # the names section, with TEST_SERVER_NAME
    uint64_t bits               # bit per listener, with TEST_LISTENER


cdef enum CaptureKind:
    CAPTURE_SEGMENT
    CAPTURE_REST
    CAPTURE_GROUP               # of the regex


# A parameter of a path: {path.NAME}.
cdef struct CaptureRow:
    Text name
    uint16_t at                 # segment, the first one is 0; or group
    uint16_t kind               # CaptureKind


# Addresses from `low` to `high`, both included; IPv4 as ::ffff:a.b.c.d. Those of a test are
# in order and do not touch.
cdef struct RangeRow:
    uint8_t low[16]
    uint8_t high[16]


cdef struct SetRow:
    uint32_t first              # first of the regexes
    uint32_t n


# -- chains and objects ---------------------------------------------------------------

cdef struct ChainRow:
    uint32_t first              # its first StepRow
    uint32_t count


cdef struct StepRow:
    uint32_t object             # index of the policy's ObjectRow
    uint8_t mode                # PolicyMode
    uint8_t pass_failures       # on_failure: pass
    uint8_t pad[2]
    uint32_t timeout_ms         # how long it may be suspended; 0 = the policy's default


cdef struct ObjectRow:
    Text kind                   # picks the builder
    Text name                   # identity: name + kind
    uint8_t hash[16]            # of kind, name and options: equal = the same object
    uint64_t data_at            # msgpack map in the data section
    uint64_t data_n


cdef struct StatRow:
    Text kind                   # route, endpoint
    Text name                   # identity by which counters outlive a generation


# A plan whose every offset and index has been checked. Borrows the plan's memory.
cdef struct Plan:
    const PlanHeader* header
    const Settings* settings
    const char* rows[27]        # first row of each section
    uint32_t count[27]          # its rows; bytes for strings and data


cdef inline const char* plan_strings(const Plan* p) noexcept nogil:
    """The strings section."""
    return p.rows[<int>SECTION_STRINGS]


cdef class PlanOpening:
    """Checks a plan a little at a time, so that a worker serves meanwhile: `step` until it says
    True; PlanError says what is wrong. The plan's memory must stay."""
    cdef Plan* plan             # is filled
    cdef const char* base
    cdef size_t n               # bytes
    cdef int section            # whose rows are checked; -1: the checksum is added up
    cdef size_t at              # the next byte or row
    cdef size_t empty           # rows of the section that are empty slots
    cdef uint32_t sum           # checksum, as far as it is added up

    cdef int begin(self, Plan* p, const char* base, size_t n) except -1
    cdef bint step(self) except -1
    cdef int add_up(self) except -1
    cdef int look_on(self) except -1


cdef str plan_str(const Plan* p, Text t)
cdef int plan_open(Plan* p, const char* base, size_t n) except -1
