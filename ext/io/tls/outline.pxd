"""Outlines: what a certificate says, without the cost of decoding its key.

Thousands of certificates are looked at when a gateway starts; only a few of them are used soon.
The key of a certificate is decoded by workers when a client first asks for it; here it is enough
to see that it is the one that the private key belongs to, which for the usual kinds of key takes
no decoding either: both files hold the same bytes.
"""

from fastgw.ext.io.tls.openssl cimport (
    ASN1_STRING, ASN1_TIME, EVP_PKEY, X509_ALGOR, X509_NAME, stack_extension,
)

cdef extern from "outline.h" nogil:
    ctypedef struct X509_VAL:
        ASN1_TIME* notBefore
        ASN1_TIME* notAfter
    ctypedef struct OutlineKey:
        X509_ALGOR* algorithm
        ASN1_STRING* bits
    ctypedef struct OutlineFacts:
        X509_VAL* validity
        X509_NAME* subject
        OutlineKey* key
        stack_extension* extensions
    ctypedef struct Outline:
        OutlineFacts* facts
    ctypedef struct OutlineEc:
        ASN1_STRING* scalar
        ASN1_STRING* point
    Outline* outline_read(const unsigned char* der, long n)
    void outline_free(Outline* outline)
    int outline_kind(const Outline* outline)
    int outline_curve(const X509_ALGOR* algorithm)
    OutlineEc* outline_ec_read(const unsigned char* der, long n)
    void outline_ec_free(OutlineEc* ec)


cdef bint outline_fits(const Outline* outline, const EVP_PKEY* key) noexcept
cdef bint outline_fits_info(const Outline* outline, const unsigned char* der, long n) noexcept
