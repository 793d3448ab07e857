"""Reader of plans: checks everything that will be followed later; see plan.pxd."""

from cpython.buffer cimport PyBUF_READ, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport uintptr_t
from libc.string cimport memcmp, memcpy, memset
from zlib import crc32
from fastgw.ext.route.errors import PlanError

LAYOUT = PLAN_LAYOUT

#: Bytes of a row by section, for the comparison with fastgw/plan/layout.py.
SIZES: dict[str, int] = {
    "header": sizeof(PlanHeader), "section": sizeof(SectionRow),
    "settings": sizeof(Settings), "strings": 1, "listeners": sizeof(ListenerRow),
    "hosts": sizeof(HostRow), "host_slots": sizeof(Slot), "paths": sizeof(PathRow),
    "path_slots": sizeof(Slot), "candidates": sizeof(Candidate), "routes": sizeof(RouteRow),
    "rewrites": sizeof(RewriteRow), "chains": sizeof(ChainRow), "steps": sizeof(StepRow),
    "targets": sizeof(uint32_t), "objects": sizeof(ObjectRow), "data": 1,
    "networks": sizeof(Text), "stats": sizeof(StatRow),
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
    _check_matcher(p)
    _check_routes(p)
    _check_objects(p)
    return 0


# -- rows ------------------------------------------------------------------------------------

cdef inline int _text(const Plan* p, Text t, str section, size_t i) except -1:
    cdef uint32_t n = p.count[<int>SECTION_STRINGS]
    if t.at > n or t.n > n - t.at:
        raise PlanError(f"{section}[{i}]: a text is not within the strings")
    return 0


cdef inline int _index(uint64_t at, uint64_t count, str section, size_t i, str what) except -1:
    if at >= count:
        raise PlanError(f"{section}[{i}]: {what} {at} of {count}")
    return 0


cdef inline int _run(
    uint64_t first, uint64_t n, uint64_t count, str section, size_t i, str what
) except -1:
    if first > count or n > count - first:
        raise PlanError(f"{section}[{i}]: {what} {first}+{n} of {count}")
    return 0


cdef int _check_texts(const Plan* p) except -1:
    """Listeners, networks and statistics: texts and little else."""
    cdef size_t i
    cdef const ListenerRow* listeners = <const ListenerRow*>p.rows[<int>SECTION_LISTENERS]
    cdef const Text* networks = <const Text*>p.rows[<int>SECTION_NETWORKS]
    cdef const StatRow* stats = <const StatRow*>p.rows[<int>SECTION_STATS]
    for i in range(p.count[<int>SECTION_LISTENERS]):
        _text(p, listeners[i].name, "listeners", i)
        _text(p, listeners[i].address, "listeners", i)
        _run(listeners[i].options_at, listeners[i].options_n, p.count[<int>SECTION_DATA],
             "listeners", i, "options")
    for i in range(p.count[<int>SECTION_NETWORKS]):
        _text(p, networks[i], "networks", i)
    for i in range(p.count[<int>SECTION_STATS]):
        _text(p, stats[i].kind, "stats", i)
        _text(p, stats[i].name, "stats", i)
    return 0


cdef int _check_slots(const Plan* p, SectionId slots_id, uint32_t rows, str section) except -1:
    """A power of two of slots, one of them empty, none pointing past the rows."""
    cdef const Slot* slots = <const Slot*>p.rows[<int>slots_id]
    cdef uint32_t n = p.count[<int>slots_id], used = 0
    cdef size_t i
    if n == 0 or n & (n - 1):
        raise PlanError(f"{section}: {n} slots are not a power of two")
    for i in range(n):
        if slots[i].row != EMPTY_SLOT:
            used += 1
            _index(slots[i].row, rows, section, i, "row")
    if used == n:
        raise PlanError(f"{section}: no slot is empty")
    return 0


cdef int _check_matcher(const Plan* p) except -1:
    cdef const HostRow* hosts = <const HostRow*>p.rows[<int>SECTION_HOSTS]
    cdef const PathRow* paths = <const PathRow*>p.rows[<int>SECTION_PATHS]
    cdef const Candidate* candidates = <const Candidate*>p.rows[<int>SECTION_CANDIDATES]
    cdef uint32_t count = p.count[<int>SECTION_CANDIDATES]
    cdef size_t i
    if p.count[<int>SECTION_HOSTS] == 0:
        raise PlanError("hosts: the default host's row is missing")
    for i in range(p.count[<int>SECTION_HOSTS]):
        _text(p, hosts[i].name, "hosts", i)
    for i in range(p.count[<int>SECTION_PATHS]):
        _index(paths[i].host, p.count[<int>SECTION_HOSTS], "paths", i, "host")
        _text(p, paths[i].path, "paths", i)
        _run(paths[i].exact, paths[i].exact_n, count, "paths", i, "candidates")
        _run(paths[i].prefix, paths[i].prefix_n, count, "paths", i, "candidates")
    for i in range(count):
        _index(candidates[i].route, p.count[<int>SECTION_ROUTES], "candidates", i, "route")
    _check_slots(p, SECTION_HOST_SLOTS, p.count[<int>SECTION_HOSTS], "host_slots")
    _check_slots(p, SECTION_PATH_SLOTS, p.count[<int>SECTION_PATHS], "path_slots")
    return 0


cdef int _check_routes(const Plan* p) except -1:
    cdef const RouteRow* routes = <const RouteRow*>p.rows[<int>SECTION_ROUTES]
    cdef const RewriteRow* rewrites = <const RewriteRow*>p.rows[<int>SECTION_REWRITES]
    cdef size_t i
    for i in range(p.count[<int>SECTION_ROUTES]):
        _text(p, routes[i].name, "routes", i)
        _index(routes[i].target, p.count[<int>SECTION_TARGETS], "routes", i, "target")
        _index(routes[i].chain, p.count[<int>SECTION_CHAINS], "routes", i, "chain")
        _index(routes[i].stat, p.count[<int>SECTION_STATS], "routes", i, "stat")
        if routes[i].rewrite < -1:
            raise PlanError(f"routes[{i}]: rewrite {routes[i].rewrite}")
        if routes[i].rewrite >= 0:
            _index(routes[i].rewrite, p.count[<int>SECTION_REWRITES], "routes", i, "rewrite")
        if routes[i].client_eof > 1:
            raise PlanError(f"routes[{i}]: client_eof {routes[i].client_eof}")
    for i in range(p.count[<int>SECTION_REWRITES]):
        _text(p, rewrites[i].prefix, "rewrites", i)
    return 0


cdef int _check_objects(const Plan* p) except -1:
    cdef const ChainRow* chains = <const ChainRow*>p.rows[<int>SECTION_CHAINS]
    cdef const StepRow* steps = <const StepRow*>p.rows[<int>SECTION_STEPS]
    cdef const uint32_t* targets = <const uint32_t*>p.rows[<int>SECTION_TARGETS]
    cdef const ObjectRow* objects = <const ObjectRow*>p.rows[<int>SECTION_OBJECTS]
    cdef uint32_t count = p.count[<int>SECTION_OBJECTS]
    cdef size_t i
    for i in range(p.count[<int>SECTION_CHAINS]):
        _run(chains[i].first, chains[i].count, p.count[<int>SECTION_STEPS],
             "chains", i, "steps")
        if chains[i].count > 0xFFFF:
            raise PlanError(f"chains[{i}]: {chains[i].count} policies are too many")
    for i in range(p.count[<int>SECTION_STEPS]):
        _index(steps[i].object, count, "steps", i, "object")
        _index(steps[i].mode, 3, "steps", i, "mode")
        _index(steps[i].pass_failures, 2, "steps", i, "pass_failures")
    for i in range(p.count[<int>SECTION_TARGETS]):
        _index(targets[i], count, "targets", i, "object")
    for i in range(count):
        _text(p, objects[i].kind, "objects", i)
        _text(p, objects[i].name, "objects", i)
        _run(objects[i].data_at, objects[i].data_n, p.count[<int>SECTION_DATA],
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
