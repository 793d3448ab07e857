"""From where a head was parsed into the arena of the exchange that will live by it."""

from libc.stddef cimport size_t
from libc.stdint cimport uint16_t
from fastgw.ext.base.arena cimport Arena
from fastgw.ext.http.head cimport Fields, M_HEAD, MethodId, RequestHead, ResponseHead


cdef bint keep_request(RequestHead* head, Arena* arena, const char* p, size_t n) noexcept
cdef bint keep_response(ResponseHead* head, Arena* arena, const char* p, size_t n) noexcept
cdef Fields* keep_trailers(const Fields* trailers, Arena* arena) noexcept


cdef inline bint no_body(uint16_t status, MethodId method) noexcept nogil:
    """Responses that never have a body, whatever their fields say (RFC 9112 section 6.3)."""
    return status < 200 or status == 204 or status == 304 or method == M_HEAD
