"""Limits of heads; see head_limits.pxd."""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from fastgw.ext.base.reasons cimport REASON_HEAD_TOO_LARGE, REASON_NONE, REASON_TARGET_TOO_LONG
from fastgw.ext.http.head cimport Field

cdef enum:
    START_BYTES = 12            # two spaces, HTTP/1.1 and CRLF, beside method and target
    FIELD_BYTES = 4             # colon, space and CRLF, beside name and value
    END_BYTES = 2               # CRLF


cdef size_t _bytes(const RequestHead* head) noexcept nogil:
    """Bytes of a head."""
    cdef size_t n = head.method.n + head.raw_target.n + START_BYTES + END_BYTES
    cdef const Field* f
    cdef uint32_t i
    for i in range(head.fields.n):
        f = &head.fields.rows[i]
        n += f.name_n + f.value_n + FIELD_BYTES
    return n


cdef Reason head_beyond(const RequestHead* head, const RouteRow* route) noexcept nogil:
    if route.target_limit and head.raw_target.n > route.target_limit:
        return REASON_TARGET_TOO_LONG
    if route.fields_limit and head.fields.n > route.fields_limit:
        return REASON_HEAD_TOO_LARGE
    if route.head_limit and _bytes(head) > route.head_limit:
        return REASON_HEAD_TOO_LARGE
    return REASON_NONE
