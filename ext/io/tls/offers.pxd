"""Offers: settings together with certificates, as connections begin with them.

An Offer is an SSL_CTX that holds both: checking that a key belongs to a certificate and giving
them to a connection costs more than all else of its beginning. It is made when a name first asks
for it, from files in memory, and shared by all names with the same settings and certificates.
Those that were used last are kept.
"""

from libc.stdint cimport uint64_t
from fastgw.ext.io.tls.context cimport TlsContext
from fastgw.ext.io.tls.openssl cimport SSL_CTX

ctypedef void (*equip_fn)(SSL_CTX* ctx) noexcept


cdef class Offer:
    cdef TlsContext context           # with certificates
    cdef tuple certificates           # Certificate of each kind of key


cdef class Offers:
    cdef object files                 # digest -> bytes
    cdef list settings                # dicts
    cdef list plain                   # TlsContext of each, without certificates
    cdef list certificates            # {cert, key, ocsp} digests
    cdef set renewed                  # digests whose content is another now
    cdef object recent                # OrderedDict (settings, (certificate, ...)) -> Offer
    cdef equip_fn equip               # gives a context its callbacks
    cdef readonly uint64_t made       # offers, since the beginning

    cdef Offer get(self, tuple key)
    cdef Offer make(self, tuple key)


cdef Offers new_offers(list settings, list certificates, object files, equip_fn equip)
