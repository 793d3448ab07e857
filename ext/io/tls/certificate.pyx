# distutils: libraries = ssl crypto
"""Certificate; see certificate.pxd."""

from fastgw.ext.io.tls.openssl cimport (
    ASN1_TIME_diff, ERR_clear_error, EVP_PKEY_EC, EVP_PKEY_ED25519, EVP_PKEY_RSA, EVP_PKEY_free,
    EVP_PKEY_get_base_id, EVP_PKEY_get_bits, EVP_sha256, SSL_use_cert_and_key,
    X509_check_private_key, X509_digest, X509_get0_notAfter, X509_get0_notBefore,
    X509_get0_pubkey, sk_X509_free,
)
from fastgw.ext.io.tls.pem cimport (
    Cert, alt_names, chain_stack, last_error, name_text, read_chain, read_key,
)
from fastgw.ext.io.tls.pem import TlsFileError

KINDS = {EVP_PKEY_RSA: "rsa", EVP_PKEY_EC: "ecdsa", EVP_PKEY_ED25519: "ed25519"}


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

    cdef bint use(self, SSL* ssl) noexcept:
        """Offer it on a connection, beside those of other kinds of key."""
        return SSL_use_cert_and_key(ssl, self.leaf, self.key, self.rest, 1) == 1


def inspect(bytes chain, bytes key, bytes ocsp=b"") -> dict:
    """What there is to know of a certificate, once it and its key were found usable:
    {subject, names: [(kind, text)], kind, bits, fingerprint, begins_s, ends_s}; the last two are
    seconds from now, negative in the past. TlsFileError says what is wrong."""
    cdef Certificate c = new_certificate(chain, key, ocsp)
    return facts_of(c)


cdef dict facts_of(Certificate c):
    """See inspect."""
    cdef unsigned char digest[32]
    cdef int begins_d = 0, begins_s = 0, ends_d = 0, ends_s = 0
    if X509_digest(c.leaf, EVP_sha256(), digest, NULL) != 1:
        raise TlsFileError(last_error("no digest"))
    ASN1_TIME_diff(&begins_d, &begins_s, NULL, X509_get0_notBefore(c.leaf))
    ASN1_TIME_diff(&ends_d, &ends_s, NULL, X509_get0_notAfter(c.leaf))
    return {
        "subject": name_text(c.leaf, False),
        "names": alt_names(c.leaf),
        "kind": KINDS.get(EVP_PKEY_get_base_id(X509_get0_pubkey(c.leaf)), "other"),
        "bits": EVP_PKEY_get_bits(X509_get0_pubkey(c.leaf)),
        "fingerprint": (<char*>digest)[:32].hex(),
        "begins_s": begins_d * 86400 + begins_s,
        "ends_s": ends_d * 86400 + ends_s,
    }
