"""What the load generator and the origin call besides ext/io/syscalls.pxd."""

from libc.stddef cimport size_t
from fastgw.ext.io.syscalls cimport sockaddr, socklen_t

cdef extern from "<sys/socket.h>" nogil:
    enum:
        SO_REUSEADDR, SO_RCVBUF
    int bind(int fd, const sockaddr* at, socklen_t n)
    int listen(int fd, int backlog)

cdef extern from "<string.h>" nogil:
    void* memmem(const char* p, size_t n, const char* what, size_t what_n)

cdef extern from "<strings.h>" nogil:
    int strncasecmp(const char* a, const char* b, size_t n)

cdef extern from "<time.h>" nogil:
    struct timespec_pause "timespec":
        long tv_sec
        long tv_nsec
    int nanosleep(const timespec_pause* t, timespec_pause* left)
