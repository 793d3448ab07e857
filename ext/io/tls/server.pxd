"""TlsServer: what a listener offers: names, their settings and certificates, ticket keys.

A client's hello names what it wants; the name's settings make the session, its certificates
are parsed on first use and kept, the least recently used ones dropped past a bound.
"""

from libc.stdint cimport uint32_t, uint64_t
from fastgw.ext.io.tls.context cimport TlsContext
from fastgw.ext.io.tls.hello cimport Hello
from fastgw.ext.io.tls.openssl cimport SSL
from fastgw.ext.io.tls.stream cimport TlsSide, TlsStream
from fastgw.ext.io.tls.tickets cimport TicketKeys


cdef class TlsName:
    """What one name gets."""
    cdef readonly bytes name          # .example.com for *.example.com
    cdef TlsContext context
    cdef tuple certificates           # indexes into the server's
    cdef tuple parsed                 # the same as Certificate, once asked for; or None


cdef class TlsServer(TlsSide):
    cdef TicketKeys tickets
    cdef object files                 # digest -> bytes
    cdef set renewed                  # digests whose content is another now
    cdef list contexts                # TlsContext of each settings
    cdef list certificates            # {cert, key, ocsp} digests
    cdef dict rows                    # of the names that are not entered yet
    cdef dict names                   # bytes -> TlsName; b".example.com" for *.example.com
    cdef TlsName default              # for no name and, unless `strict`, for unknown ones
    cdef bint strict                  # unknown names are refused
    cdef bint asks                    # some name asks for certificates
    cdef object recent                # OrderedDict of the TlsNames with parsed certificates
    cdef readonly uint32_t handshake_ms
    cdef readonly uint32_t most_handshakes
    cdef readonly uint32_t most_by_address
    cdef uint64_t turn                # the engine's turn that `begun` counts in
    cdef uint32_t begun               # handshakes begun in it
    cdef readonly uint64_t parsed_count
    cdef readonly str trouble         # last thing that went wrong, in OpenSSL's words

    cdef TlsName find(self, const char* name, size_t n)
    cdef tuple parse(self, TlsName name)
    cdef bint give(self, SSL* ssl, TlsName name) noexcept
