"""Reader of plans: checks everything that will be followed later; see plan.pxd."""

cimport cython
from cpython.buffer cimport PyBUF_READ, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport uintptr_t
from libc.string cimport memcmp, memcpy, memset
from zlib import crc32
from fastgw.ext.route.errors import PlanError
from fastgw.ext.route.plan_checks cimport check_rows, check_tables

cdef enum:
    SUM_BYTES = 262144          # of the checksum in one step
    CHECK_ROWS = 2048           # that are checked in one step

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

cdef uint32_t _header_sum(const PlanHeader* header):
    """CRC-32 of the header with the checksum's own field zero."""
    cdef PlanHeader blank
    memcpy(&blank, header, sizeof(PlanHeader))
    blank.checksum = 0
    return crc32((<const char*>&blank)[:sizeof(PlanHeader)])


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


cdef int _open_all(Plan* p, const char* base, size_t n) except -1:
    """Header and sections."""
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
    return 0


# -- a little at a time ------------------------------------------------------------------------

@cython.final
cdef class PlanOpening:
    """See plan.pxd."""

    cdef int begin(self, Plan* p, const char* base, size_t n) except -1:
        """Look at the header, and remember what is to be looked at."""
        self.plan, self.base, self.n = p, base, n
        _open_all(p, base, n)
        self.sum = _header_sum(p.header)
        self.at = sizeof(PlanHeader)
        self.section = -1
        return 0

    cdef bint step(self) except -1:
        """Look at some more; True when all is right."""
        if self.section < 0:
            self.add_up()
        elif self.section < SECTIONS:
            self.look_on()
        return self.section == SECTIONS

    cdef int add_up(self) except -1:
        """Some more of the checksum."""
        cdef size_t n = min(<size_t>SUM_BYTES, self.n - self.at)
        self.sum = crc32(
            PyMemoryView_FromMemory(<char*>self.base + self.at, n, PyBUF_READ), self.sum
        )
        self.at += n
        if self.at < self.n:
            return 0
        if self.sum != self.plan.header.checksum:
            raise PlanError("plan is damaged: its checksum is wrong")
        check_tables(self.plan)
        self.section = 0
        self.at = self.empty = 0
        return 0

    cdef int look_on(self) except -1:
        """Some more rows, or the next section."""
        cdef size_t count = self.plan.count[self.section]
        cdef size_t end = min(count, self.at + CHECK_ROWS)
        self.empty += check_rows(self.plan, self.section, self.at, end)
        self.at = end
        if end < count:
            return 0
        if self.section in (SECTION_HOST_SLOTS, SECTION_PATH_SLOTS) and not self.empty:
            raise PlanError(f"{_NAMES[self.section]}: no slot is empty")
        self.section += 1
        self.at = self.empty = 0
        return 0


cdef int plan_open(Plan* p, const char* base, size_t n) except -1:
    """Check a plan at a multiple of 8 whole, and fill `p`; PlanError says what is wrong."""
    cdef PlanOpening opening = PlanOpening.__new__(PlanOpening)
    opening.begin(p, base, n)
    while not opening.step():
        pass
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
