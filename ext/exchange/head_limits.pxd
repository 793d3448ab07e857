"""Limits of heads that a route says, below its listener's: they hold once the route is known.
What is counted is the head as HTTP/1.1 writes it, whatever protocol brought it.
"""

from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.http.head cimport RequestHead
from fastgw.ext.route.plan cimport RouteRow


# REASON_NONE when the head is within the limits of its route.
cdef Reason head_beyond(const RequestHead* head, const RouteRow* route) noexcept nogil
