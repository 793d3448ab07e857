"""TlsClient: how TLS to one server of an upstream is begun and what it must prove.

The server's certificate must lead to a trusted root and hold the server's name; sessions are
kept for the next connections to the same server, so that those cost no full handshake.
"""

from libc.stdint cimport int64_t, uint64_t
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.io.tls.certificate cimport Certificate
from fastgw.ext.io.tls.context cimport TlsContext
from fastgw.ext.io.tls.openssl cimport SSL, SSL_SESSION
from fastgw.ext.io.tls.stream cimport TlsSide, TlsStream


cdef enum:
    SESSIONS = 4                # kept for the next connections


cdef class TlsClient(TlsSide):
    cdef TlsContext context
    cdef Certificate own              # shown to servers that ask; or None
    cdef bytes sni                    # name that is asked for; empty: the server is an address
    cdef list names                   # of which the certificate must hold one; bytes
    cdef bytes ip                     # or this address
    cdef bint verifies
    cdef str label                    # the server, for the log
    cdef object log                   # called with (level, text), or None
    cdef int64_t logged_ms            # time of the last log line
    cdef SSL_SESSION* sessions[4]     # newest last
    cdef int kept                     # how many
    cdef readonly uint64_t handshakes # that were done
    cdef readonly uint64_t resumed    # of them, with a session of before
    cdef readonly uint64_t failures
    cdef readonly str trouble         # last thing that went wrong, in OpenSSL's words

    cdef bint expect(self, SSL* ssl) noexcept
    cdef void keep_session(self, SSL_SESSION* session) noexcept
    cdef void use_session(self, SSL* ssl) noexcept
    cdef void tell(self, TlsStream s) noexcept
