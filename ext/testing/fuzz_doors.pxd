"""Entries for fuzzers: (pointer, length), no Python object anywhere.

Each returns 0, or the number of the check that failed, which the driver turns into a crash.
Besides what the sanitizers see they check what must hold for any bytes: nothing points outside
of what was given, the pieces that bytes arrive in change nothing, and the path rule applied to
its own result changes nothing.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t


cdef int fuzz_request(const uint8_t* data, size_t n) noexcept nogil
cdef int fuzz_response(const uint8_t* data, size_t n) noexcept nogil
cdef int fuzz_chunked(const uint8_t* data, size_t n) noexcept nogil
cdef int fuzz_path(const uint8_t* data, size_t n) noexcept nogil
cdef int fuzz_authority(const uint8_t* data, size_t n) noexcept nogil
cdef int fuzz_proxy(const uint8_t* data, size_t n) noexcept nogil
cdef int fuzz_frames(const uint8_t* data, size_t n) noexcept nogil
cdef int fuzz_hello(const uint8_t* data, size_t n) noexcept nogil
cdef int fuzz_match(const uint8_t* data, size_t n) noexcept nogil
