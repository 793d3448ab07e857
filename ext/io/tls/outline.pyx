# distutils: libraries = ssl crypto
"""Outlines; see outline.pxd."""

from libc.string cimport memcmp
from fastgw.ext.io.tls.openssl cimport (
    ASN1_STRING, ASN1_STRING_get0_data, ASN1_STRING_length, ASN1_get_object, BIGNUM, BN_bn2bin,
    BN_free, BN_num_bits, ERR_clear_error, EVP_PKEY_get_bn_param, EVP_PKEY_get_octet_string_param,
    NID_X9_62_id_ecPublicKey, NID_X9_62_prime256v1, NID_rsaEncryption, NID_secp384r1,
    NID_secp521r1, PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free, PKCS8_pkey_get0, X509_ALGOR,
    X509_ALGOR_cmp, d2i_PKCS8_PRIV_KEY_INFO,
)

cdef enum:
    V_ASN1_SEQUENCE = 16
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


# -- without decoding the private key ------------------------------------------------------------

cdef bint outline_fits_info(const Outline* outline, const unsigned char* der, long n) noexcept:
    """Whether the certificate's key is surely that of an unencrypted PrivateKeyInfo (RFC 5208),
    of a kind that every OpenSSL knows. False says nothing."""
    cdef PKCS8_PRIV_KEY_INFO* info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &der, n)
    cdef const X509_ALGOR* algorithm = NULL
    cdef const unsigned char* private = NULL
    cdef int private_n = 0, kind
    cdef bint same = False
    if info != NULL and PKCS8_pkey_get0(NULL, &private, &private_n, &algorithm, info) == 1:
        if X509_ALGOR_cmp(algorithm, outline.facts.key.algorithm) == 0:
            kind = outline_kind(outline)
            if kind == NID_X9_62_id_ecPublicKey:
                same = _same_point(outline, private, private_n)
            elif kind == NID_rsaEncryption:
                same = _same_modulus(outline, private, private_n)
    PKCS8_PRIV_KEY_INFO_free(info)
    ERR_clear_error()
    return same


cdef int _bytes_of(int curve) noexcept:
    """Bytes of a number of a curve; 0: it is no usual one."""
    if curve == NID_X9_62_prime256v1:
        return 32
    if curve == NID_secp384r1:
        return 48
    return 66 if curve == NID_secp521r1 else 0


cdef bint _same_point(const Outline* outline, const unsigned char* der, int n) noexcept:
    """EC: the private key comes with its public point (RFC 5915), uncompressed in both."""
    cdef const ASN1_STRING* shown = outline.facts.key.bits
    cdef int number_n = _bytes_of(outline_curve(outline.facts.key.algorithm))
    cdef OutlineEc* ec = NULL
    cdef bint same = False
    if number_n > 0 and ASN1_STRING_length(shown) == 2 * number_n + 1:
        ec = outline_ec_read(der, n)
    if ec != NULL and ec.point != NULL:
        same = (
            ASN1_STRING_length(ec.scalar) == number_n
            and ASN1_STRING_length(ec.point) == ASN1_STRING_length(shown)
            and memcmp(ASN1_STRING_get0_data(ec.point), ASN1_STRING_get0_data(shown),
                       ASN1_STRING_length(shown)) == 0
        )
    outline_ec_free(ec)
    return same


cdef bint _same_modulus(const Outline* outline, const unsigned char* der, int n) noexcept:
    """RSA: SEQUENCE {modulus, exponent} in the certificate, SEQUENCE {version, modulus, exponent,
    ...} in the key (RFC 8017 appendix A.1): what stands behind the version is the same."""
    cdef const unsigned char* shown = ASN1_STRING_get0_data(outline.facts.key.bits)
    cdef long shown_n = ASN1_STRING_length(outline.facts.key.bits)
    cdef long rest = n
    if not _enter(&shown, &shown_n) or not _enter(&der, &rest):
        return False
    if rest < 3 or memcmp(der, b"\x02\x01\x00", 3) != 0:
        return False
    return shown_n < rest - 3 and memcmp(der + 3, shown, shown_n) == 0


cdef bint _enter(const unsigned char** at, long* n) noexcept:
    """Go into a SEQUENCE that fills all of these bytes."""
    cdef const unsigned char* begin = at[0]
    cdef int tag = 0, kind = 0
    cdef long length = 0
    # 0x80: what is read there is no object of a definite length.
    if ASN1_get_object(at, &length, &tag, &kind, n[0]) & 0x81 or tag != V_ASN1_SEQUENCE:
        return False
    if at[0] - begin + length != n[0]:
        return False
    n[0] = length
    return True
