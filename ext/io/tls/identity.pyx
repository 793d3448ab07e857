# distutils: libraries = ssl crypto
"""What upper layers may know; see identity.pxd."""

from base64 import b64encode
from libc.stdlib cimport malloc
from libc.string cimport memcpy, strlen
from fastgw.ext.base.span cimport span
from fastgw.ext.io.tls.openssl cimport (
    ERR_clear_error, EVP_sha256, OPENSSL_free, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION,
    X509, X509_build_chain, X509_digest, i2d_X509, sk_X509_num, sk_X509_value,
    stack_x509,
)
from fastgw.ext.io.tls.pem cimport alt_names, free_chain, name_text
from fastgw.ext.io.tls.stream cimport TlsFacts, TlsSide


cdef Span tls_text(const Facts* facts, TlsText what) noexcept:
    """A text of the connection, which lives as long as it does; empty where there is none."""
    cdef TlsFacts* t
    if facts == NULL or facts.identity == NULL:
        return span(NULL, 0)
    t = <TlsFacts*>facts.identity
    if what == TLS_NAME:
        return span(t.name, t.name_n)
    if what == TLS_VERSION:
        return span(version_text(t.version), 7)
    if what == TLS_CIPHER:
        return span(t.cipher, strlen(t.cipher) if t.cipher != NULL else 0)
    if t.peer == NULL:
        return span(NULL, 0)
    if t.texts[<int>what] == NULL:
        keep(t, what)
    return span(t.texts[<int>what], strlen(t.texts[<int>what]) if t.texts[<int>what] != NULL else 0)


cdef const char* version_text(int version) noexcept:
    """As OpenSSL writes it."""
    if version == TLS1_3_VERSION:
        return b"TLSv1.3"
    if version == TLS1_2_VERSION:
        return b"TLSv1.2"
    return b"TLSv1.1" if version == TLS1_1_VERSION else b"TLSv1.0"


cdef void keep(TlsFacts* t, TlsText what) noexcept:
    """Make a text of the client's certificate; without memory it stays away."""
    cdef bytes made
    cdef char* p
    try:
        text = chain_text(t) if what == TLS_CHAIN else certificate_text(t.peer, what)
        made = text.encode("ascii", "replace")
    except Exception:
        made = b""
    p = <char*>malloc(len(made) + 1)
    if p != NULL:
        memcpy(p, <const char*>made, len(made) + 1)
        t.texts[<int>what] = p


cdef str certificate_text(X509* x, TlsText what):
    """A text of a certificate."""
    cdef unsigned char digest[32]
    if what == TLS_SUBJECT:
        return name_text(x, False)
    if what == TLS_ISSUER:
        return name_text(x, True)
    if what == TLS_NAMES:
        return ",".join(f"{kind}:{text}" for kind, text in alt_names(x))
    if what == TLS_FINGERPRINT:
        X509_digest(x, EVP_sha256(), digest, NULL)
        return (<char*>digest)[:32].hex()
    return ":" + b64encode(der_of(x)).decode() + ":"


cdef str chain_text(TlsFacts* t):
    """The certificates behind the client's own: those that it has shown, else those that its
    own leads to among the authorities."""
    cdef stack_x509* built = NULL
    cdef stack_x509* chain = t.chain
    cdef int i, first = 0
    if chain == NULL:
        built = chain = X509_build_chain(t.peer, NULL, t.roots, 0, NULL, NULL)
        first = 1                       # which is the client's
        ERR_clear_error()
    texts = []
    for i in range(first, sk_X509_num(chain) if chain != NULL else 0):
        texts.append(":" + b64encode(der_of(sk_X509_value(chain, i))).decode() + ":")
    free_chain(built)
    return ", ".join(texts)


cdef bytes der_of(X509* x):
    """Its DER."""
    cdef unsigned char* p = NULL
    cdef int n = i2d_X509(x, &p)
    if n <= 0:
        raise ValueError("a certificate without DER")
    der = (<char*>p)[:n]
    OPENSSL_free(p)
    return der


cdef bint tls_directed(const Facts* facts, const char* host, size_t n) noexcept:
    """Whether a request for `host` (lower case, without port) may come over this connection:
    not where one of the two names demands certificates and they are not the same."""
    cdef TlsFacts* t
    if facts == NULL or facts.identity == NULL:
        return True
    t = <TlsFacts*>facts.identity
    return not t.host_bound or (<TlsSide>t.side).directs(t, host, n)
