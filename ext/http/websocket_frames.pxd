"""Where the frames of a WebSocket begin and end (RFC 6455 section 5.2), and two small ones.

Bytes of a tunnel pass as they are; the gateway only counts along, because what it says itself
(a ping, a close) may stand between two frames but never inside one.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t


cdef enum:
    FRAME_HEAD_MOST = 14        # bytes of a frame's head
    CONTROL_MOST = 12           # bytes of the frames that are made here


# One direction of a tunnel. All zero is its beginning.
cdef struct FrameTrack:
    uint64_t left               # bytes of the payload under way that are still to come
    uint8_t head[14]            # a head that is not whole yet
    uint8_t head_n              # its bytes so far
    bint closed                 # a close frame was seen: no frame may follow it
    bint lost                   # not frames at all: nothing can be put between them


cdef inline bint frames_between(const FrameTrack* t) noexcept nogil:
    """Whether a frame may be put here."""
    return t.left == 0 and t.head_n == 0 and not t.closed and not t.lost


cdef size_t frames_pass(FrameTrack* t, const char* p, size_t n, bint stop) noexcept nogil
cdef size_t put_close(char* at, uint16_t code, uint32_t mask) noexcept nogil
cdef size_t put_ping(char* at) noexcept nogil
