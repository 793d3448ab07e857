"""What the upstream is told about the client: X-Forwarded-*, X-Real-IP, Forwarded, X-Request-Id."""

from libc.stdint cimport int64_t
from fastgw.ext.exchange.contract cimport Exchange

cdef bint add_forwarded(Exchange x) noexcept
cdef void take_request_id(Exchange x, int64_t unix_ms) noexcept
