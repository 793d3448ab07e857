"""load_plan: from the bytes of a plan to a snapshot that a worker can serve with."""

from cpython.buffer cimport Py_buffer
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.http.head cimport RequestHead
from fastgw.ext.io.stream cimport Facts
from fastgw.ext.route.matcher cimport Found, Matcher
from fastgw.ext.route.plan cimport Plan
from fastgw.ext.route.snapshot cimport Snapshot


cdef class PlanSnapshot(Snapshot):
    """A snapshot whose rows are read in place, and what `load_plan` built for it."""
    cdef Py_buffer view               # holds the plan's memory
    cdef bint mapped                  # `view` has to be released
    cdef Plan plan                    # checked; points into `view`
    cdef Matcher matcher
    cdef readonly dict objects        # content hash -> what was built, for the next load
    cdef readonly list made           # what was built, by index of the ObjectRow
    cdef readonly list target_list    # the targets, by index
    cdef readonly dict node           # options of the processes (route/node.py)

    cdef void match(self, const RequestHead* head, const Facts* facts, Found* found) noexcept
    cdef Span parameter(self, Exchange x, Span name) noexcept
