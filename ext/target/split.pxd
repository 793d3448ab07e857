"""The target that divides requests between other targets by the hash of a key.

A key's hash picks a step of 10,000, and steps belong to parts in the order of the
configuration: a part that grows at the end takes steps from its neighbour and gives none
up, so who was on the canary stays there. A part of which no endpoint is available is
passed over: its requests are divided anew among the others, each key again to one of them.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from fastgw.ext.exchange.contract cimport Exchange, Target
from fastgw.ext.policy.template cimport Template


cdef enum:
    STEPS = 10000               # shares are rounded to these
    MAX_PARTS = 64              # targets of one split


cdef class SplitTarget(Target):
    cdef readonly list parts          # of Target
    cdef readonly Template key
    cdef uint32_t n                   # parts
    cdef uint16_t ends[MAX_PARTS]     # first step that is no longer the part's
    cdef uint64_t seed                # two splits with the same key are independent

    cdef uint64_t hash(self, Exchange x) noexcept
    cdef Target choose(self, Exchange x)
    cdef Target choose_other(self, Exchange x, uint64_t h, uint32_t unavailable)
