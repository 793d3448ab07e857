"""Error pages: own documents in place of the gateway's (docs/routing.md).

A page fits by status and by reason; the first that fits is used. An upstream's answer is
replaced by one only where the route says so for its status.
"""

from libc.stdint cimport uint8_t, uint16_t
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.policy.body_template cimport BodyTemplate


cdef class ErrorPage:
    """One document."""
    cdef readonly uint16_t status     # sent instead of the answer's; 0 = as it is
    cdef readonly bytes content_type
    cdef readonly BodyTemplate body
    cdef uint8_t statuses[200]        # by status - 400; 1 = fits
    cdef uint8_t reasons[256]         # by Reason; 1 = fits


cdef class ErrorPages:
    """The documents of a route, in their order."""
    cdef readonly list pages          # of ErrorPage

    cdef ErrorPage find(self, uint16_t status, Reason why)


cdef ErrorPage find_page(Exchange x, uint16_t status, Reason why)
cdef bint is_replaced(Exchange x, uint16_t status) noexcept
