"""How far a peer has come; see progress.pxd."""

cdef extern from "<sys/ioctl.h>" nogil:
    int ioctl(int fd, unsigned long request, int* value)
cdef extern from "<linux/sockios.h>" nogil:
    enum:
        SIOCOUTQ


cdef uint64_t bytes_taken(Stream s) noexcept:
    """Bytes that the peer has acknowledged since the beginning; of a unix socket, read."""
    cdef int unsent = 0
    if s.fd < 0 or ioctl(s.fd, SIOCOUTQ, &unsent) < 0 or unsent < 0:
        return s.bytes_out
    return s.bytes_out - min(s.bytes_out, <uint64_t>unsent)
