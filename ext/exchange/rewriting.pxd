"""Rewriting: the path that the upstream gets, and what an answer says about paths turned back.

`OPTIONS *` has no path and is never rewritten. Strip and prefix work on whole segments.
"""

from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Exchange

# Makes `x.forward_path`; REASON_NONE, or why the request can't go on.
cdef Reason rewrite_path(Exchange x) noexcept
# Appends X-Forwarded-Prefix, if the route says so; False without memory.
cdef bint tell_prefix(Exchange x) noexcept
