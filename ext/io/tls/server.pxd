"""TlsServer: what a listener offers: names, their settings and certificates, ticket keys.

A client's hello names what it wants; what the name offers, its settings and certificates, is made
on first use and kept, the least recently used ones dropped past a bound (offers.pxd).
"""

from libc.stdint cimport uint32_t, uint64_t
from fastgw.ext.io.tls.context cimport TlsContext
from fastgw.ext.io.tls.hello cimport Hello
from fastgw.ext.io.tls.offers cimport Offer, Offers
from fastgw.ext.io.tls.openssl cimport SSL
from fastgw.ext.io.tls.stream cimport TlsSide, TlsStream
from fastgw.ext.io.tls.tickets cimport TicketKeys


cdef class TlsName:
    """What one name gets."""
    cdef readonly bytes name          # .example.com for *.example.com
    cdef TlsContext context           # its settings, without certificates
    cdef tuple offer                  # by which `Offers` knows what its connections begin with


cdef class TlsServer(TlsSide):
    cdef TicketKeys tickets
    cdef Offers offers
    cdef dict rows                    # of the names that are not entered yet
    cdef dict names                   # bytes -> TlsName; b".example.com" for *.example.com
    cdef TlsName default              # for no name and, unless `strict`, for unknown ones
    cdef bint strict                  # unknown names are refused
    cdef bint asks                    # some name asks for certificates
    cdef readonly uint32_t handshake_ms
    cdef readonly uint32_t most_handshakes
    cdef readonly uint32_t most_by_address
    cdef uint64_t turn                # the engine's turn that `begun` counts in
    cdef uint32_t begun               # handshakes begun in it
    cdef readonly str trouble         # last thing that went wrong, in OpenSSL's words

    cdef TlsName find(self, const char* name, size_t n)
    cdef Offer offer_of(self, TlsName name)
