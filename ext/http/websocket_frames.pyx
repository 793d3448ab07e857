"""Where frames begin and end; see websocket_frames.pxd."""

from libc.string cimport memcpy

cdef enum:
    OPCODE = 0x0F
    OPCODE_BINARY = 2
    OPCODE_CLOSE = 8
    OPCODE_PONG = 10
    FIN = 0x80
    FIN_CLOSE = 0x88
    FIN_PING = 0x89
    MASKED = 0x80
    LENGTH = 0x7F
    LENGTH_16 = 126             # two bytes of length follow
    LENGTH_64 = 127             # eight do


cdef inline size_t _head_size(const uint8_t* head) noexcept nogil:
    """Bytes of a head, of which the first two are there."""
    cdef size_t n = 2
    cdef uint8_t length = head[1] & LENGTH
    if length == LENGTH_16:
        n += 2
    elif length == LENGTH_64:
        n += 8
    return n + 4 if head[1] & MASKED else n


cdef inline bint _is_frame(const uint8_t* head) noexcept nogil:
    """Whether the first two bytes may begin a frame: known opcodes, control frames whole and
    short (sections 5.2 and 5.5)."""
    cdef uint8_t opcode = head[0] & OPCODE
    if opcode >= OPCODE_CLOSE:
        return opcode <= OPCODE_PONG and head[0] & FIN and head[1] & LENGTH < LENGTH_16
    return opcode <= OPCODE_BINARY


cdef void _begin_payload(FrameTrack* t) noexcept nogil:
    """The head is whole."""
    cdef uint8_t length = t.head[1] & LENGTH
    cdef int i, bytes_n = 0
    t.left = length
    if length == LENGTH_16:
        bytes_n = 2
    elif length == LENGTH_64:
        bytes_n = 8
    if bytes_n:
        t.left = 0
        for i in range(bytes_n):
            t.left = t.left << 8 | t.head[2 + i]
    if t.left >> 63 or not _is_frame(t.head):
        t.lost, t.left = True, 0
    elif t.head[0] & OPCODE == OPCODE_CLOSE:
        t.closed = True
    t.head_n = 0


cdef size_t frames_pass(FrameTrack* t, const char* p, size_t n, bint stop) noexcept nogil:
    """Count `n` bytes; how many were, which is all of them unless `stop`: then no more than up
    to the end of the frame under way."""
    cdef size_t at = 0, take
    if t.lost:
        return n
    while at < n:
        if t.left:
            take = n - at if n - at < t.left else <size_t>t.left
            t.left -= take
            at += take
        else:
            t.head[t.head_n] = <uint8_t>p[at]
            t.head_n += 1
            at += 1
            if t.head_n < 2 or t.head_n < _head_size(t.head):
                continue
            _begin_payload(t)
            if t.lost:
                return n
        if stop and t.left == 0 and t.head_n == 0:
            break
    return at


cdef size_t put_close(char* at, uint16_t code, uint32_t mask) noexcept nogil:
    """A close frame with a status code; masked, as a client's must be, unless `mask` is 0."""
    cdef uint8_t key[4]
    at[0] = <char>FIN_CLOSE
    if mask == 0:
        at[1], at[2], at[3] = 2, <char>(code >> 8), <char>(code & 255)
        return 4
    memcpy(key, &mask, 4)
    at[1] = <char>(MASKED | 2)
    memcpy(at + 2, key, 4)
    at[6] = <char>((code >> 8) ^ key[0])
    at[7] = <char>((code & 255) ^ key[1])
    return 8


cdef size_t put_ping(char* at) noexcept nogil:
    """A ping without payload, as a server sends it."""
    at[0], at[1] = <char>FIN_PING, 0
    return 2
