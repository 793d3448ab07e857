"""Which exchanges get a line: rules that keep, rules that skip, and a sample of the rest.

A line is written if some `keep` rule holds; else not if some `skip` rule holds; else with
the probability `sample`. A rule holds if all of its conditions do.
"""

from libc.stdint cimport int64_t, uint16_t, uint64_t
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Exchange


cdef enum:
    RULES = 16                  # a side, at most
    NAMES = 8                   # of one condition, at most


# One of several texts; n = 0: no condition.
cdef struct AnyOf:
    uint16_t n
    Span texts[8]


cdef struct LogRule:
    uint16_t status_from, status_to
    int64_t slower_us           # 0 = no condition
    uint64_t reasons[2]         # bit per Reason; none = no condition
    AnyOf routes, methods
    AnyOf paths                 # what the path begins with


cdef class LogRules:
    cdef LogRule keeps[16]
    cdef LogRule skips[16]
    cdef uint16_t keeps_n, skips_n
    cdef uint64_t threshold           # of 2^32: what a draw must be below
    cdef uint64_t dice                # state of the generator, never 0
    cdef list kept                    # keeps alive what the rules point to

    cdef int set_rule(self, LogRule* to, rule) except -1
    cdef int set_names(self, AnyOf* to, str what, tuple names) except -1
    cdef bint wants(self, Exchange x) noexcept
    cdef bint wants_pass(self, Reason why, int64_t took_us) noexcept
    cdef uint64_t draw(self) noexcept
