# distutils: libraries = ssl crypto
"""Certificate; see certificate.pxd."""

from hashlib import sha256
from fastgw.ext.io.tls.openssl cimport (
    ASN1_TIME_diff, ERR_clear_error, EVP_PKEY_free, EVP_PKEY_get_bits, NID_ED25519,
    NID_X9_62_id_ecPublicKey, NID_rsaEncryption, NID_subject_alt_name, SSL_use_cert_and_key,
    SSL_CTX_use_cert_and_key,
    X509V3_get_d2i, X509_check_private_key, X509_free, d2i_X509, sk_X509_free, stack_general,
)
from fastgw.ext.io.tls.outline cimport (
    Outline, OutlineFacts, outline_fits, outline_free, outline_kind, outline_read,
)
from fastgw.ext.io.tls.pem cimport (
    Cert, chain_stack, general_names, last_error, name_as_text, read_blocks, read_chain, read_key,
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


def inspect(bytes chain, bytes key, bytes ocsp=b"") -> dict:
    """What there is to know of a certificate, once it and its key were found usable:
    {subject, names: [(kind, text)], kind, bits, fingerprint, begins_s, ends_s}; the last two are
    seconds from now, negative in the past. TlsFileError says what is wrong."""
    cdef list blocks = read_blocks(chain)
    cdef bytes der = blocks[0]
    cdef EVP_PKEY* private = read_key(key)
    cdef Outline* outline = outline_read(<const unsigned char*><const char*>der, len(der))
    try:
        if outline == NULL:
            raise TlsFileError(f"certificate can't be read: {last_error('damaged')}")
        check_authorities(blocks)
        if not outline_fits(outline, private):
            new_certificate(chain, key, ocsp)
        return facts_of(outline, der, EVP_PKEY_get_bits(private))
    finally:
        EVP_PKEY_free(private)
        outline_free(outline)


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


cdef dict facts_of(const Outline* outline, bytes der, int bits):
    """See inspect."""
    cdef int begins_d = 0, begins_s = 0, ends_d = 0, ends_s = 0
    cdef OutlineFacts* facts = outline.facts
    ASN1_TIME_diff(&begins_d, &begins_s, NULL, facts.validity.notBefore)
    ASN1_TIME_diff(&ends_d, &ends_s, NULL, facts.validity.notAfter)
    names = <stack_general*>X509V3_get_d2i(facts.extensions, NID_subject_alt_name, NULL, NULL)
    return {
        "subject": name_as_text(facts.subject),
        "names": general_names(names),
        "kind": KINDS.get(outline_kind(outline), "other"),
        "bits": bits,
        "fingerprint": sha256(der).hexdigest(),
        "begins_s": begins_d * 86400 + begins_s,
        "ends_s": ends_d * 86400 + ends_s,
    }
