"""Mapping back: what an answer says about the upstream's paths and host, said in the client's.

Where a route strips or adds a prefix, Location, Content-Location, Refresh and the Path and
Domain of cookies name places that the client can't reach. References that begin with the
upstream's prefix, or with its host, are turned back; those to other hosts stay as they are.
"""

from fastgw.ext.exchange.contract cimport Exchange

# Edits `x.response`; False without memory.
cdef bint map_back(Exchange x) noexcept
