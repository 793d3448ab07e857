"""Parameters: what the `{name}`s of a matched path stand for, found when they are asked for.

Nothing is kept at a match but which candidate won: a segment is found again by counting
slashes, a group by running the one pattern that matched.
"""

from libc.stdint cimport uint32_t
from fastgw.ext.base.span cimport Span
from fastgw.ext.route.matcher cimport Matcher


# A part of `path`; empty when there is no such parameter. `extra` is the match's (Found).
cdef Span path_parameter(
    const Matcher* m, uint32_t extra, Span path, Span name
) noexcept nogil
