"""PathRewriter: a path made of a template or by a regular expression (docs/routing.md).

The result goes through the path rule again, so that nothing a client sends can put a dot
segment into it; what the route does not open is refused like in a request. Values that are
not parts of the path are escaped: a slash in a header does not become a slash in the path.
"""

from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.policy.template cimport Template
from fastgw.ext.route.regex cimport Pattern


cdef class PathRewriter:
    """Either a template or a pattern and what its find becomes."""
    cdef readonly Template template   # or None
    cdef readonly Pattern pattern     # or None
    cdef readonly list pieces         # with `pattern`: bytes, or the number of a group

    cdef Reason rewrite(self, Exchange x, Span* out) noexcept
    cdef Reason fill(self, Exchange x, Span* out) noexcept
    cdef Reason substitute(self, Exchange x, Span* out) noexcept
