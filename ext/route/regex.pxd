"""Regular expressions by RE2: linear time, whatever the pattern and the text.

A pattern is one expression; a set is many that are looked for in one pass, of which those
that fit are told by number. Both match bytes (Latin-1), so that a text's length is its
length. What a set can't tell within its memory it says, and the caller asks each pattern
alone. Workers use the functions; Pattern and PatternSet are the same for Python, with
errors in words.
"""

from libc.stddef cimport size_t
from fastgw.ext.base.span cimport Span

cdef extern from "route/re2_shim.h" nogil:
    ctypedef struct Part "fgw_part":
        const char* p           # NULL: the group took no part in the match
        size_t n


    ctypedef struct Row "fgw_text":
        pass                    # plan.pxd Text

cdef enum:
    JOB_UNDER_WAY = 0           # states of a job
    JOB_DONE = 1
    JOB_TOO_LARGE = -1          # below it: JOB_TOO_LARGE - 1 - the row that is no pattern

cdef enum:
    MAX_GROUPS = 16             # groups of a pattern; more are an error at load


# NULL for what is no pattern. Freed by `re_free`.
cdef void* re_new(Span pattern) noexcept nogil
cdef void re_free(void* re) noexcept nogil
# Whether a pattern fits, `whole`: the whole text. Fills `count` parts, the find first.
cdef bint re_find(const void* re, Span text, bint whole, Part* parts, int count) noexcept nogil
# The number of a named group, -1: there is none.
cdef int re_group(const void* re, Span name) noexcept nogil

# An empty set for so many patterns; NULL without memory. Freed by `set_free`.
cdef void* set_new(size_t patterns) noexcept nogil
cdef void set_free(void* patterns) noexcept nogil
# False for what is no pattern; they are numbered from 0.
cdef bint set_add(void* patterns, Span pattern) noexcept nogil
# To be called once, after the last `set_add`. False: too large together.
cdef bint set_compile(void* patterns) noexcept nogil
# A set of `n` rows, texts within `strings`, made by a thread beside this one; NULL without
# memory. Taken when JOB_DONE, else dropped, which waits for its end.
cdef void* job_begin(const char* strings, const void* rows, size_t n) noexcept nogil
cdef int job_state(const void* job) noexcept nogil
cdef void* job_take(void* job) noexcept nogil
cdef void job_drop(void* job) noexcept nogil
# How many patterns fit the whole text; their ascending numbers are in `found` until the
# next call. -1: can't be told.
cdef int set_fitting(const void* patterns, Span text, const int** found) noexcept nogil


cdef class Pattern:
    """One expression."""
    cdef readonly str source          # as configured
    cdef readonly int groups          # capturing groups
    cdef readonly dict names          # name -> number of its group
    cdef void* re                     # owned

    cdef list parts(self, bytes text, bint whole)


cdef class PatternSet:
    """Expressions that are each compared with a whole text, in one pass."""
    cdef readonly list patterns       # of Pattern, by number
    cdef void* handle                 # owned
