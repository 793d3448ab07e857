"""Request ids: UUIDv7 (RFC 9562), from a per-process generator that costs no system call."""

from libc.stdint cimport int64_t, uint64_t

cdef enum:
    REQUEST_ID_BYTES = 36

cdef void new_request_id(char* out, int64_t now_ms) noexcept
cdef uint64_t next_random() noexcept nogil
