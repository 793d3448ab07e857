# distutils: libraries = ssl crypto
"""A certificate that signs itself: for the demo and for trying things out."""

from fastgw.ext.io.tls.openssl cimport (
    ASN1_INTEGER_set_uint64, BIO, BIO_free, BIO_get_mem_data, BIO_new, BIO_s_mem, EVP_PKEY,
    EVP_PKEY_free, EVP_sha256, MBSTRING_UTF8, NID_subject_alt_name, PEM_write_bio_PrivateKey,
    PEM_write_bio_X509, RAND_bytes, X509, X509V3_CTX, X509V3_EXT_conf_nid, X509V3_set_ctx,
    X509_EXTENSION, X509_EXTENSION_free, X509_NAME_add_entry_by_txt, X509_add_ext, X509_free,
    X509_get_serialNumber, X509_get_subject_name, X509_getm_notAfter, X509_getm_notBefore,
    X509_gmtime_adj, X509_new, X509_set_issuer_name, X509_set_pubkey, X509_set_version, X509_sign,
    ec_key,
)
from fastgw.ext.io.tls.pem cimport last_error
from libc.stdint cimport uint64_t
import ipaddress

cdef enum:
    VERSION_3 = 2
    HOUR_S = 3600


def make_self_signed(names, days: int = 30) -> tuple[bytes, bytes]:
    """(certificate, key) in PEM, of an ECDSA key on P-256, for host names and IP addresses."""
    cdef EVP_PKEY* key = ec_key(b"P-256")
    cdef X509* x = X509_new()
    try:
        if key == NULL or x == NULL:
            raise OSError(last_error("no key could be made"))
        _fill(x, key, list(names), days)
        if X509_sign(x, key, EVP_sha256()) == 0:
            raise OSError(last_error("not signed"))
        return _pem(x, NULL), _pem(NULL, key)
    finally:
        EVP_PKEY_free(key)
        X509_free(x)


cdef int _fill(X509* x, EVP_PKEY* key, list names, long days) except -1:
    """Everything but the signature."""
    cdef bytes first = names[0].encode("idna") if ":" not in names[0] else names[0].encode()
    cdef uint64_t serial
    RAND_bytes(<unsigned char*>&serial, sizeof(serial))
    X509_set_version(x, VERSION_3)
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1 | 1)
    X509_gmtime_adj(X509_getm_notBefore(x), -HOUR_S)
    X509_gmtime_adj(X509_getm_notAfter(x), days * 24 * HOUR_S)
    X509_set_pubkey(x, key)
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(x), b"CN", MBSTRING_UTF8, first, -1, -1, 0
    )
    X509_set_issuer_name(x, X509_get_subject_name(x))
    _add_names(x, ",".join(f"IP:{n}" if _is_ip(n) else f"DNS:{n}" for n in names).encode())
    return 0


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


cdef int _add_names(X509* x, bytes text) except -1:
    """The subject's alternative names."""
    cdef X509V3_CTX ctx
    cdef X509_EXTENSION* ext
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0)
    ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, text)
    if ext == NULL:
        raise ValueError(last_error("invalid names"))
    X509_add_ext(x, ext, -1)
    X509_EXTENSION_free(ext)
    return 0


cdef bytes _pem(X509* x, EVP_PKEY* key):
    """One of the two, in PEM."""
    cdef BIO* bio = BIO_new(BIO_s_mem())
    cdef char* p = NULL
    cdef long n
    if x != NULL:
        PEM_write_bio_X509(bio, x)
    else:
        PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
    n = BIO_get_mem_data(bio, &p)
    made = p[:n]
    BIO_free(bio)
    return made
