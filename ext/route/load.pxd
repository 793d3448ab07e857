"""load_plan: from the bytes of a plan to a snapshot that a worker can serve with."""

from cpython.buffer cimport Py_buffer
from fastgw.ext.http.head cimport RequestHead
from fastgw.ext.route.matcher cimport Matcher
from fastgw.ext.route.plan cimport Plan
from fastgw.ext.route.snapshot cimport Snapshot
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, uint32_t


cdef class PlanSnapshot(Snapshot):
    """A snapshot whose rows are read in place, and what `load_plan` built for it."""
    cdef Py_buffer view               # holds the plan's memory
    cdef bint mapped                  # `view` has to be released
    cdef Plan plan                    # checked; points into `view`
    cdef Matcher matcher
    cdef readonly dict objects        # content hash -> Target or Policy, for the next load
    cdef readonly list target_list    # the targets, by index

    cdef int32_t match(self, const RequestHead* head, uint32_t* methods) noexcept
