"""Views: an exchange's heads as a Python plugin sees them.

A view is bound to the generation of its exchange and raises `fastgw.ViewExpired` after
its end. It can be changed only while the hook runs that it was handed to. Members are
those of `fastgw.Request` and `fastgw.Response`.
"""

from libc.stdint cimport uint64_t
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.http.head cimport Fields


cdef class View:
    cdef Exchange x
    cdef uint64_t generation          # of `x`, when the view was made
    cdef bint open                    # its hook runs: it may be changed
    cdef bint muted                   # its hook is a shadow's that waits: changes are dropped

    cdef Exchange live(self)
    cdef bint may_change(self) except -1


cdef class HeadersView:
    """The fields of one head; all methods of `fastgw.Headers`."""
    cdef View of
    cdef bint response                # of the response's head

    cdef Fields* fields(self) except NULL


cdef class RequestView(View):
    pass


cdef class ResponseView(View):
    pass


cdef RequestView new_request_view(Exchange x)
cdef ResponseView new_response_view(Exchange x)
cdef str client_ip(Exchange x)
