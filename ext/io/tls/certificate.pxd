"""Certificate: a chain with its key, and what is stapled to it; parsed when first asked for."""

from fastgw.ext.io.tls.openssl cimport EVP_PKEY, SSL, SSL_CTX, X509, stack_x509


cdef class Certificate:
    cdef list chain                   # pem.Cert, the server's own first
    cdef X509* leaf                   # borrowed from `chain`
    cdef EVP_PKEY* key
    cdef stack_x509* rest             # the chain without the leaf; or NULL
    cdef bytes ocsp                   # DER of an OCSP answer; empty: none

    cdef bint give(self, SSL* ssl) noexcept
    cdef bint use(self, SSL_CTX* ctx) noexcept


cdef Certificate new_certificate(bytes chain, bytes key, bytes ocsp)
