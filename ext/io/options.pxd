"""Socket options of every connection, on both sides."""

from libc.stdint cimport uint32_t


cdef void set_deferred(int fd, int family, bint on) noexcept
cdef void set_options(int fd, int family, uint32_t user_timeout_ms) noexcept
