# distutils: libraries = ssl crypto
"""Certificate; see certificate.pxd."""

from fastgw.ext.io.tls.openssl cimport (
    ASN1_TIME_diff, ERR_clear_error, EVP_PKEY_free, NID_ED25519, NID_X9_62_id_ecPublicKey,
    NID_rsaEncryption, NID_subject_alt_name, OPENSSL_clear_free, SSL_CTX_use_cert_and_key,
    SSL_use_cert_and_key, X509V3_get_d2i, X509_check_private_key, X509_free, d2i_X509,
    sk_X509_free, stack_general,
)
from fastgw.ext.io.tls.outline cimport (
    Outline, OutlineFacts, outline_fits, outline_fits_info, outline_free, outline_kind,
    outline_read,
)
from fastgw.ext.io.tls.pem cimport (
    Cert, chain_stack, general_names, last_error, read_blocks, read_chain, read_key, read_key_info,
)
from fastgw.ext.io.tls.pem import TlsFileError

cdef enum:
    AUTHORITIES_KEPT = 1000     # certificates of authorities that were found to be such

KINDS = {NID_rsaEncryption: "rsa", NID_X9_62_id_ecPublicKey: "ecdsa", NID_ED25519: "ed25519"}
cdef set _authorities = set()


cdef Certificate new_certificate(bytes chain, bytes key, bytes ocsp):
    """Parse it; TlsFileError says what is wrong."""
    cdef Certificate c = Certificate.__new__(Certificate)
    c.chain = read_chain(chain)
    c.leaf = (<Cert>c.chain[0]).x
    c.key = read_key(key)
    c.rest = chain_stack(c.chain)
    c.ocsp = ocsp
    if X509_check_private_key(c.leaf, c.key) != 1:
        ERR_clear_error()
        raise TlsFileError(
            "the private key does not belong to the certificate", "mismatch", True
        )
    return c


cdef class Certificate:
    """See certificate.pxd."""

    def __dealloc__(self):
        if self.key != NULL:
            EVP_PKEY_free(self.key)
        if self.rest != NULL:
            sk_X509_free(self.rest)

    cdef bint give(self, SSL* ssl) noexcept:
        """Show it on a connection."""
        return SSL_use_cert_and_key(ssl, self.leaf, self.key, self.rest, 1) == 1

    cdef bint use(self, SSL_CTX* ctx) noexcept:
        """Show it on all connections of a context, beside those of other kinds of key."""
        return SSL_CTX_use_cert_and_key(ctx, self.leaf, self.key, self.rest, 1) == 1


def inspect(bytes chain, bytes key) -> dict:
    """What there is to know of a certificate, once it and its key were found usable:
    {names: [(kind, text)], kind, begins_s, ends_s}; the last two are seconds from now, negative
    in the past. TlsFileError says what is wrong."""
    cdef list blocks = read_blocks(chain)
    cdef bytes der = blocks[0]
    cdef Outline* outline = outline_read(<const unsigned char*><const char*>der, len(der))
    if outline == NULL:
        raise TlsFileError(f"certificate can't be read: {last_error('damaged')}")
    try:
        check_authorities(blocks)
        if not key_fits(outline, key):
            check_key(outline, chain, key)
        return facts_of(outline)
    finally:
        outline_free(outline)


cdef bint key_fits(const Outline* outline, bytes key) except -1:
    """Whether a file surely holds the certificate's key; False says nothing."""
    cdef long n = 0
    cdef bint fits
    cdef unsigned char* der = read_key_info(key, &n)
    if der == NULL:
        return False
    fits = outline_fits_info(outline, der, n)
    OPENSSL_clear_free(der, n)
    return fits


cdef int check_key(const Outline* outline, bytes chain, bytes key) except -1:
    """The same by decoding the key, and if need be the certificate's."""
    cdef EVP_PKEY* private = read_key(key)
    cdef bint fits = outline_fits(outline, private)
    EVP_PKEY_free(private)
    if not fits:
        new_certificate(chain, key, b"")
    return 0


cdef int check_authorities(list blocks) except -1:
    """Whether what stands behind a certificate are such; the same few stand behind most."""
    cdef bytes der
    cdef const unsigned char* at
    cdef X509* x
    for der in blocks[1:]:
        if der in _authorities:
            continue
        at = <const unsigned char*><const char*>der
        x = d2i_X509(NULL, &at, len(der))
        if x == NULL:
            raise TlsFileError(f"certificate can't be read: {last_error('damaged')}")
        X509_free(x)
        if len(_authorities) < AUTHORITIES_KEPT:
            _authorities.add(der)
    return 0


cdef dict facts_of(const Outline* outline):
    """See inspect."""
    cdef int begins_d = 0, begins_s = 0, ends_d = 0, ends_s = 0
    cdef OutlineFacts* facts = outline.facts
    ASN1_TIME_diff(&begins_d, &begins_s, NULL, facts.validity.notBefore)
    ASN1_TIME_diff(&ends_d, &ends_s, NULL, facts.validity.notAfter)
    names = <stack_general*>X509V3_get_d2i(facts.extensions, NID_subject_alt_name, NULL, NULL)
    return {
        "names": general_names(names),
        "kind": KINDS.get(outline_kind(outline), "other"),
        "begins_s": begins_d * 86400 + begins_s,
        "ends_s": ends_d * 86400 + ends_s,
    }
