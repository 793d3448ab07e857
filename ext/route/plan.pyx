"""Reader of plans: checks everything that will be followed later; see plan.pxd."""

from cpython.buffer cimport PyBUF_READ, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport uintptr_t
from libc.string cimport memcmp, memcpy, memset
from zlib import crc32
from fastgw.ext.route.errors import PlanError
from fastgw.ext.route.plan_checks cimport (
    check_index, check_matcher, check_optional, check_run, check_text,
)

cdef enum:
    HOST_MODES = 4              # 0, or 1 + HostMode

LAYOUT = PLAN_LAYOUT

#: Bytes of a row by section, for the comparison with fastgw/plan/layout.py.
SIZES: dict[str, int] = {
    "header": sizeof(PlanHeader), "section": sizeof(SectionRow),
    "settings": sizeof(Settings), "strings": 1, "listeners": sizeof(ListenerRow),
    "hosts": sizeof(HostRow), "host_slots": sizeof(HostSlot), "looks": sizeof(LooksRow),
    "paths": sizeof(PathRow), "path_slots": sizeof(PathSlot), "shapes": sizeof(ShapeRow),
    "candidates": sizeof(Candidate), "extras": sizeof(ExtraRow), "tests": sizeof(TestRow),
    "captures": sizeof(CaptureRow), "ranges": sizeof(RangeRow), "regexes": sizeof(Text),
    "sets": sizeof(SetRow), "names": sizeof(Text), "routes": sizeof(RouteRow),
    "rewrites": sizeof(RewriteRow), "chains": sizeof(ChainRow), "steps": sizeof(StepRow),
    "targets": sizeof(uint32_t), "objects": sizeof(ObjectRow), "data": 1,
    "networks": sizeof(Text), "stats": sizeof(StatRow), "statuses": sizeof(uint16_t),
}
_NAMES: tuple[str, ...] = tuple(SIZES)[2:]


cdef str plan_str(const Plan* p, Text t):
    """A text of the plan."""
    return plan_strings(p)[t.at:t.at + t.n].decode("utf-8", "replace")


# -- header and sections -----------------------------------------------------------------

cdef uint32_t _checksum(const char* base, size_t n):
    """CRC-32 of the plan with the checksum's own field zero."""
    cdef PlanHeader header
    cdef size_t after = sizeof(PlanHeader)
    memcpy(&header, base, after)
    header.checksum = 0
    crc = crc32((<const char*>&header)[:after])
    return crc32(PyMemoryView_FromMemory(<char*>base + after, n - after, PyBUF_READ), crc)


cdef int _open_header(Plan* p, const char* base, size_t n) except -1:
    p.header = <const PlanHeader*>base
    if n < sizeof(PlanHeader):
        raise PlanError(f"a plan of {n} bytes is shorter than its header")
    if memcmp(p.header.magic, b"FGWPLAN\0", 8) != 0:
        raise PlanError("not a plan: it does not begin with FGWPLAN")
    if p.header.layout != PLAN_LAYOUT:
        raise PlanError(f"plan of layout {p.header.layout}, this version reads {PLAN_LAYOUT}")
    if p.header.size != n:
        raise PlanError(f"plan is {n} bytes long, its header says {p.header.size}")
    if p.header.sections != SECTIONS:
        raise PlanError(f"plan has {p.header.sections} sections, not {<int>SECTIONS}")
    if n < sizeof(PlanHeader) + SECTIONS * sizeof(SectionRow):
        raise PlanError("plan ends within its table of sections")
    if _checksum(base, n) != p.header.checksum:
        raise PlanError("plan is damaged: its checksum is wrong")
    return 0


cdef int _open_section(Plan* p, const char* base, size_t n, int i) except -1:
    cdef const SectionRow* row = <const SectionRow*>(base + sizeof(PlanHeader)) + i
    name = _NAMES[i]
    if row.id != <uint32_t>i:
        raise PlanError(f"section {i} should be {name}, but has the id {row.id}")
    if row.stride != SIZES[name]:
        raise PlanError(f"section {name}: rows of {row.stride} bytes, not {SIZES[name]}")
    if row.offset % 8 != 0 or row.offset > n or row.count > (n - row.offset) / row.stride:
        raise PlanError(f"section {name} is not within the plan")
    if row.count >= EMPTY_SLOT:
        raise PlanError(f"section {name} has too many rows")
    p.rows[i] = base + row.offset
    p.count[i] = <uint32_t>row.count
    return 0


cdef int plan_open(Plan* p, const char* base, size_t n) except -1:
    """Check a plan at a multiple of 8 whole, and fill `p`; PlanError says what is wrong."""
    cdef int i
    memset(p, 0, sizeof(Plan))
    if <uintptr_t>base % 8 != 0:
        raise PlanError("plan is not at a multiple of 8 in memory")
    _open_header(p, base, n)
    for i in range(<int>SECTIONS):
        _open_section(p, base, n, i)
    if p.count[<int>SECTION_SETTINGS] != 1:
        raise PlanError("a plan has one row of settings")
    p.settings = <const Settings*>p.rows[<int>SECTION_SETTINGS]
    _check_texts(p)
    check_matcher(p)
    _check_routes(p)
    _check_objects(p)
    return 0


# -- rows ------------------------------------------------------------------------------------

cdef int _check_texts(const Plan* p) except -1:
    """Listeners, networks and statistics: texts and little else."""
    cdef size_t i
    cdef const ListenerRow* listeners = <const ListenerRow*>p.rows[<int>SECTION_LISTENERS]
    cdef const Text* networks = <const Text*>p.rows[<int>SECTION_NETWORKS]
    cdef const StatRow* stats = <const StatRow*>p.rows[<int>SECTION_STATS]
    for i in range(p.count[<int>SECTION_LISTENERS]):
        check_text(p, listeners[i].name, "listeners", i)
        check_text(p, listeners[i].address, "listeners", i)
        check_run(listeners[i].options_at, listeners[i].options_n, p.count[<int>SECTION_DATA],
                  "listeners", i, "options")
        check_optional(listeners[i].route, p.count[<int>SECTION_ROUTES], "listeners", i, "route")
    for i in range(p.count[<int>SECTION_NETWORKS]):
        check_text(p, networks[i], "networks", i)
    for i in range(p.count[<int>SECTION_STATS]):
        check_text(p, stats[i].kind, "stats", i)
        check_text(p, stats[i].name, "stats", i)
    return 0


cdef int _check_routes(const Plan* p) except -1:
    cdef const RouteRow* routes = <const RouteRow*>p.rows[<int>SECTION_ROUTES]
    cdef const RewriteRow* rewrites = <const RewriteRow*>p.rows[<int>SECTION_REWRITES]
    cdef size_t i
    for i in range(p.count[<int>SECTION_ROUTES]):
        check_text(p, routes[i].name, "routes", i)
        check_index(routes[i].target, p.count[<int>SECTION_TARGETS], "routes", i, "target")
        check_index(routes[i].chain, p.count[<int>SECTION_CHAINS], "routes", i, "chain")
        check_index(routes[i].stat, p.count[<int>SECTION_STATS], "routes", i, "stat")
        if routes[i].rewrite < -1:
            raise PlanError(f"routes[{i}]: rewrite {routes[i].rewrite}")
        if routes[i].rewrite >= 0:
            check_index(routes[i].rewrite, p.count[<int>SECTION_REWRITES], "routes", i, "rewrite")
        if routes[i].client_eof > 1:
            raise PlanError(f"routes[{i}]: client_eof {routes[i].client_eof}")
        check_index(routes[i].host_mode, HOST_MODES, "routes", i, "host_mode")
        check_text(p, routes[i].host, "routes", i)
        check_optional(routes[i].pages, p.count[<int>SECTION_OBJECTS], "routes", i, "pages")
        check_run(routes[i].statuses, routes[i].statuses_n, p.count[<int>SECTION_STATUSES],
                  "routes", i, "statuses")
    check_optional(p.settings.pages, p.count[<int>SECTION_OBJECTS], "settings", 0, "pages")
    for i in range(p.count[<int>SECTION_REWRITES]):
        check_text(p, rewrites[i].strip, "rewrites", i)
        check_text(p, rewrites[i].prefix, "rewrites", i)
        check_optional(rewrites[i].object, p.count[<int>SECTION_OBJECTS], "rewrites", i, "object")
    return 0


cdef int _check_objects(const Plan* p) except -1:
    cdef const ChainRow* chains = <const ChainRow*>p.rows[<int>SECTION_CHAINS]
    cdef const StepRow* steps = <const StepRow*>p.rows[<int>SECTION_STEPS]
    cdef const uint32_t* targets = <const uint32_t*>p.rows[<int>SECTION_TARGETS]
    cdef const ObjectRow* objects = <const ObjectRow*>p.rows[<int>SECTION_OBJECTS]
    cdef uint32_t count = p.count[<int>SECTION_OBJECTS]
    cdef size_t i
    for i in range(p.count[<int>SECTION_CHAINS]):
        check_run(chains[i].first, chains[i].count, p.count[<int>SECTION_STEPS],
                  "chains", i, "steps")
        if chains[i].count > 0xFFFF:
            raise PlanError(f"chains[{i}]: {chains[i].count} policies are too many")
    for i in range(p.count[<int>SECTION_STEPS]):
        check_index(steps[i].object, count, "steps", i, "object")
        check_index(steps[i].mode, 3, "steps", i, "mode")
        check_index(steps[i].pass_failures, 2, "steps", i, "pass_failures")
    for i in range(p.count[<int>SECTION_TARGETS]):
        check_index(targets[i], count, "targets", i, "object")
    for i in range(count):
        check_text(p, objects[i].kind, "objects", i)
        check_text(p, objects[i].name, "objects", i)
        check_run(objects[i].data_at, objects[i].data_n, p.count[<int>SECTION_DATA],
                  "objects", i, "data")
    return 0


def check_plan(plan) -> int:
    """Check a plan whole and return its generation number; PlanError says what is wrong."""
    cdef Py_buffer view
    cdef Plan p
    PyObject_GetBuffer(plan, &view, PyBUF_SIMPLE)
    try:
        plan_open(&p, <const char*>view.buf, view.len)
        return p.header.number
    finally:
        PyBuffer_Release(&view)
