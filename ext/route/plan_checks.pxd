"""Checks of a plan's offsets and indexes: each returns, or raises PlanError with the place."""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t, uint64_t
from fastgw.ext.route.plan cimport NOTHING, SECTION_STRINGS, Plan, SectionId, Text


cdef int fail_text(str section, size_t i) except -1
cdef int fail_index(uint64_t at, uint64_t count, str section, size_t i, str what) except -1
cdef int fail_run(
    uint64_t first, uint64_t n, uint64_t count, str section, size_t i, str what
) except -1


cdef inline int check_text(const Plan* p, Text t, str section, size_t i) except -1:
    """A text lies within the strings."""
    cdef uint32_t n = p.count[<int>SECTION_STRINGS]
    return fail_text(section, i) if t.at > n or t.n > n - t.at else 0


cdef inline int check_index(
    uint64_t at, uint64_t count, str section, size_t i, str what
) except -1:
    """An index is below the number of rows."""
    return fail_index(at, count, section, i, what) if at >= count else 0


cdef inline int check_optional(
    uint32_t at, uint32_t count, str section, size_t i, str what
) except -1:
    """An index that may point nowhere."""
    return 0 if at == NOTHING else check_index(at, count, section, i, what)


cdef inline int check_run(
    uint64_t first, uint64_t n, uint64_t count, str section, size_t i, str what
) except -1:
    """Some rows in a row lie within their section."""
    if first > count or n > count - first:
        return fail_run(first, n, count, section, i, what)
    return 0


cdef enum:
    ROW_EMPTY = 1               # told by checks of slots: nothing is in it

cdef int check_tables(const Plan* p) except -1

# Checks rows `at` to `end` of a section; how many of them are empty slots.
cdef Py_ssize_t check_rows(const Plan* p, int section, size_t at, size_t end) except -1
