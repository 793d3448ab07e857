# distutils: libraries = ssl crypto
"""Outlines; see outline.pxd."""

from libc.string cimport memcmp
from fastgw.ext.io.tls.openssl cimport (
    ASN1_STRING_get0_data, ASN1_STRING_length, BIGNUM, BN_bn2bin, BN_free, BN_num_bits,
    ERR_clear_error, EVP_PKEY_get_bn_param, EVP_PKEY_get_octet_string_param,
)

cdef enum:
    POINT_MOST = 256            # bytes of a public point, or of a key of RSA below 2048 bits
    MODULUS_MOST = 2048         # bytes of the modulus of the longest keys of RSA


cdef bint outline_fits(const Outline* outline, const EVP_PKEY* key) noexcept:
    """Whether the certificate's key is surely that of `key`. False says nothing: there are other
    ways to write the same key."""
    cdef const unsigned char* bits = ASN1_STRING_get0_data(outline.facts.key.bits)
    cdef int n = ASN1_STRING_length(outline.facts.key.bits)
    cdef unsigned char point[POINT_MOST]
    cdef size_t point_n = 0
    cdef bint same
    if EVP_PKEY_get_octet_string_param(key, b"pub", point, POINT_MOST, &point_n) == 1:
        same = point_n == <size_t>n and memcmp(point, bits, n) == 0
    else:
        same = _modulus_fits(bits, n, key)
    ERR_clear_error()
    return same


cdef bint _modulus_fits(const unsigned char* bits, int n, const EVP_PKEY* key) noexcept:
    """RSA: SEQUENCE {INTEGER modulus, INTEGER exponent}; the modulus begins where its length
    says, behind a zero (RFC 8017 appendix A.1.1)."""
    cdef unsigned char modulus[MODULUS_MOST]
    cdef BIGNUM* found = NULL
    cdef int modulus_n, at
    if EVP_PKEY_get_bn_param(key, b"n", &found) != 1:
        return False
    modulus_n = (BN_num_bits(found) + 7) // 8
    if modulus_n == 0 or modulus_n > MODULUS_MOST:
        BN_free(found)
        return False
    BN_bn2bin(found, modulus)
    BN_free(found)
    for at in (5, 7, 9):                # heads of both, by the modulus's length
        if at + modulus_n < n and bits[at - 1] == 0 and (
            memcmp(bits + at, modulus, modulus_n) == 0
        ):
            return True
    return False
