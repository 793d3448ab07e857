"""TlsClient: how a load speaks TLS, and the session that it resumes."""

cimport cython
from fastgw.ext.load.openssl cimport SSL, SSL_CTX, SSL_SESSION


@cython.final
cdef class TlsClient:
    cdef SSL_CTX* ctx           # owned
    cdef SSL_SESSION* session   # the last one given, if sessions are resumed; owned, or NULL
    cdef bytes name             # server name that is sent, and verified
    cdef const char* name_p     # its bytes
    cdef bint is_address        # it is an IP address: not sent, but verified
    cdef bint verify

    cdef SSL* connect(self, int fd) noexcept nogil
    cdef void end(self, SSL* ssl) noexcept nogil
