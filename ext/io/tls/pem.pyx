# distutils: libraries = ssl crypto
"""PEM files; see pem.pxd."""

from fastgw.ext.io.tls.openssl cimport (
    ASN1_STRFLGS_ESC_MSB, ASN1_STRING, ASN1_STRING_get0_data, ASN1_STRING_length, BIO, BIO_eof,
    BIO_free, BIO_get_mem_data, BIO_new, BIO_new_mem_buf, BIO_s_mem, BIO_tell, ERR_GET_LIB,
    ERR_GET_REASON, ERR_LIB_PEM, ERR_clear_error, ERR_peek_last_error, ERR_reason_error_string,
    EVP_PKEY_KEYPAIR, GENERAL_NAME, GENERAL_NAMES_free, GENERAL_NAME_get0_value, GEN_DNS,
    GEN_EMAIL, GEN_IPADD, GEN_URI, NID_subject_alt_name, OPENSSL_clear_free, OPENSSL_free,
    OSSL_DECODER_CTX, OSSL_DECODER_CTX_new_for_pkey, OSSL_DECODER_CTX_set_pem_password_cb,
    OSSL_DECODER_from_bio, OSSL_DECODER_from_data, PEM_R_NO_START_LINE, PEM_bytes_read_bio,
    PEM_read_bio_X509, PEM_read_bio_X509_CRL, X509, X509_CRL, X509_CRL_free, X509_NAME,
    X509_NAME_print_ex, X509_STORE_add_cert, X509_STORE_add_crl, X509_STORE_set_flags,
    X509_V_FLAG_CRL_CHECK, X509_V_FLAG_CRL_CHECK_ALL, X509_free, X509_get_ext_d2i,
    X509_get_issuer_name, X509_get_subject_name, XN_FLAG_RFC2253, sk_GENERAL_NAME_num,
    sk_GENERAL_NAME_value, sk_X509_new_null, sk_X509_pop_free, sk_X509_push, stack_general,
)
import ipaddress


cdef OSSL_DECODER_CTX* _decoder = NULL
cdef OSSL_DECODER_CTX* _usual[2]        # of EC and RSA keys alone
cdef EVP_PKEY* _decoded = NULL          # where the decoders put a key


class TlsFileError(ValueError):
    """A file can't be used; the text says why, without any of its content. `kind`: unusable,
    mismatch or encrypted; `about_key`: which of the two files is meant."""

    def __init__(self, text: str, kind: str = "unusable", about_key: bool = False) -> None:
        super().__init__(text)
        self.kind, self.about_key = kind, about_key


cdef class Cert:
    """See pem.pxd."""

    def __dealloc__(self):
        if self.x != NULL:
            X509_free(self.x)


cdef Cert own(X509* x):
    """Take a reference over."""
    cdef Cert c = Cert.__new__(Cert)
    c.x = x
    return c


cdef stack_x509* chain_stack(list chain) except? NULL:
    """The certificates behind the first, as OpenSSL wants them, or NULL for none. Borrowed from
    `chain`: free the stack alone."""
    cdef stack_x509* stack
    cdef Cert c
    if len(chain) < 2:
        return NULL
    stack = sk_X509_new_null()
    if stack == NULL:
        raise MemoryError
    for c in chain[1:]:
        sk_X509_push(stack, c.x)
    return stack


cdef void free_chain(stack_x509* chain) noexcept:
    """Free a stack and what is in it; NULL: nothing."""
    if chain != NULL:
        sk_X509_pop_free(chain, X509_free)


cdef str last_error(str otherwise):
    """What OpenSSL says went wrong; empties its queue."""
    cdef unsigned long code = ERR_peek_last_error()
    cdef const char* said = ERR_reason_error_string(code) if code else NULL
    ERR_clear_error()
    return (<bytes>said).decode("ascii", "replace") if said != NULL else otherwise


cdef int _no_password(char* into, int n, int rwflag, void* arg) noexcept:
    """An encrypted key has no place here: nobody is there to be asked."""
    return -1


cdef bint _no_more() noexcept:
    """Whether the last error only says that there is no further block of this kind."""
    cdef unsigned long code = ERR_peek_last_error()
    return ERR_GET_LIB(code) == ERR_LIB_PEM and ERR_GET_REASON(code) == PEM_R_NO_START_LINE


cdef BIO* _open(bytes pem) except NULL:
    cdef BIO* bio = BIO_new_mem_buf(<const char*>pem, <int>len(pem))
    if bio == NULL:
        raise MemoryError
    ERR_clear_error()
    return bio


cdef int _check_end(list found) except -1:
    """The last look for a certificate found no more: that was the end, and there was one."""
    if not _no_more():
        raise TlsFileError(f"certificate can't be read: {last_error('not PEM')}")
    if not found:
        raise TlsFileError("holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
    return 0


cdef list read_chain(bytes pem):
    """Every certificate, as Cert, in the order of the file; the first is the server's own."""
    cdef BIO* bio = _open(pem)
    cdef X509* x
    cdef list found = []
    try:
        while True:
            x = PEM_read_bio_X509(bio, NULL, _no_password, NULL)
            if x == NULL:
                break
            found.append(own(x))
        _check_end(found)
    finally:
        BIO_free(bio)
        ERR_clear_error()
    return found


cdef list read_blocks(bytes pem):
    """The DER of every certificate, in the order of the file; TlsFileError: there is none."""
    cdef BIO* bio = _open(pem)
    cdef unsigned char* der = NULL
    cdef long n = 0
    cdef list found = []
    try:
        while PEM_bytes_read_bio(&der, &n, NULL, b"CERTIFICATE", bio, _no_password, NULL) == 1:
            found.append((<char*>der)[:n])
            OPENSSL_free(der)
            der = NULL
        _check_end(found)
    finally:
        BIO_free(bio)
        ERR_clear_error()
    return found


cdef EVP_PKEY* read_key(bytes pem) except NULL:
    """The one private key."""
    cdef EVP_PKEY* key = _decode_usual_key(pem)
    cdef BIO* bio
    if key == NULL:
        bio = _open(pem)
        key = _decode_key(bio)
        BIO_free(bio)
    if key != NULL:
        ERR_clear_error()
        return key
    if b"ENCRYPTED" in pem:
        ERR_clear_error()
        raise TlsFileError(
            "the private key is encrypted; keys are read without a password", "encrypted", True
        )
    if b"PRIVATE KEY-----" not in pem:
        ERR_clear_error()
        raise TlsFileError(
            "holds no private key in PEM (-----BEGIN PRIVATE KEY-----)", about_key=True
        )
    raise TlsFileError(
        f"private key can't be read: {last_error('damaged')}", about_key=True
    )


cdef unsigned char* read_key_info(bytes pem, long* n) except? NULL:
    """The DER of the first unencrypted PrivateKeyInfo (RFC 5208), for OPENSSL_clear_free. NULL:
    there is none. What stands before it need not be decoded."""
    cdef unsigned char* der = NULL
    cdef Py_ssize_t at = pem.find(b"\n-----BEGIN PRIVATE KEY-----") + 1
    cdef BIO* bio = BIO_new_mem_buf(<const char*>pem + at, <int>(len(pem) - at))
    if bio == NULL:
        raise MemoryError
    PEM_bytes_read_bio(&der, n, NULL, b"PRIVATE KEY", bio, _no_password, NULL)
    BIO_free(bio)
    ERR_clear_error()
    return der


cdef EVP_PKEY* _decode_usual_key(bytes pem) except? NULL:
    """A key as most are written: an unencrypted PrivateKeyInfo of EC or RSA. NULL: it is another
    one, or none. Who knows what to decode needs half the time to do it."""
    cdef const unsigned char* at
    cdef long n = 0
    cdef size_t left
    cdef EVP_PKEY* found = NULL
    cdef int i
    cdef unsigned char* der = read_key_info(pem, &n)
    if der == NULL:
        return NULL
    for i in range(2):
        if _usual[i] == NULL:
            _usual[i] = OSSL_DECODER_CTX_new_for_pkey(
                &_decoded, b"DER", b"PrivateKeyInfo", b"RSA" if i else b"EC", EVP_PKEY_KEYPAIR,
                NULL, NULL
            )
        at, left = der, n
        if _usual[i] != NULL and _decode_der(_usual[i], &at, &left, &found):
            break
    OPENSSL_clear_free(der, n)
    return found


cdef bint _decode_der(
    OSSL_DECODER_CTX* decoder, const unsigned char** at, size_t* left, EVP_PKEY** found
) noexcept:
    """Whether a decoder knows the DER; its key is ours."""
    global _decoded
    _decoded = NULL
    if not OSSL_DECODER_from_data(decoder, at, left):
        ERR_clear_error()
    found[0] = _decoded
    return _decoded != NULL


cdef EVP_PKEY* _decode_key(BIO* bio) noexcept:
    """The first private key among the blocks of a file; NULL: there is none that can be read.

    One decoder serves all keys: to make it costs ten times what it does for a key."""
    global _decoder, _decoded
    cdef int at = 0, now
    if _decoder == NULL:
        _decoder = OSSL_DECODER_CTX_new_for_pkey(
            &_decoded, b"PEM", NULL, NULL, EVP_PKEY_KEYPAIR, NULL, NULL
        )
        if _decoder == NULL:
            return NULL
        OSSL_DECODER_CTX_set_pem_password_cb(_decoder, _no_password, NULL)
    _decoded = NULL
    while not OSSL_DECODER_from_bio(_decoder, bio) or _decoded == NULL:
        now = BIO_tell(bio)
        if BIO_eof(bio) or now <= at:
            return NULL
        at = now
        ERR_clear_error()
    return _decoded


cdef int fill_store(X509_STORE* store, bytes cas, bytes crls) except -1:
    """Trust the certificates of `cas`; with `crls` every chain is checked against them."""
    cdef Cert c
    for c in read_chain(cas):
        if X509_STORE_add_cert(store, c.x) != 1:
            raise TlsFileError(f"certificate can't be trusted: {last_error('refused')}")
    if crls:
        _add_crls(store, crls)
        X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL)
    return 0


cdef int _add_crls(X509_STORE* store, bytes pem) except -1:
    cdef BIO* bio = _open(pem)
    cdef X509_CRL* crl
    cdef int n = 0
    try:
        while True:
            crl = PEM_read_bio_X509_CRL(bio, NULL, _no_password, NULL)
            if crl == NULL:
                break
            X509_STORE_add_crl(store, crl)
            X509_CRL_free(crl)
            n += 1
        if not _no_more():
            raise TlsFileError(f"revocation list can't be read: {last_error('not PEM')}")
        if n == 0:
            raise TlsFileError("holds no revocation list in PEM (-----BEGIN X509 CRL-----)")
    finally:
        BIO_free(bio)
        ERR_clear_error()
    return 0


# -- what a certificate says ---------------------------------------------------------------------

cdef str name_text(const X509* x, bint issuer):
    """Subject or issuer, see name_as_text."""
    return name_as_text(X509_get_issuer_name(x) if issuer else X509_get_subject_name(x))


cdef str name_as_text(const X509_NAME* name):
    """A name as RFC 2253 writes it: CN=a,O=b; bytes beyond ASCII escaped."""
    cdef BIO* bio = BIO_new(BIO_s_mem())
    cdef char* p = NULL
    cdef long n
    if bio == NULL:
        raise MemoryError
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 | ASN1_STRFLGS_ESC_MSB)
    n = BIO_get_mem_data(bio, &p)
    text = p[:n].decode("ascii", "replace") if n > 0 else ""
    BIO_free(bio)
    return text


cdef list alt_names(const X509* x):
    """The subject's alternative names, see general_names."""
    return general_names(
        <stack_general*>X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL)
    )


cdef list general_names(stack_general* names):
    """(kind, text) of names, which are freed: dns in lower case, ip, uri, email."""
    cdef int i
    cdef list found = []
    if names == NULL:
        ERR_clear_error()
        return found
    for i in range(sk_GENERAL_NAME_num(names)):
        pair = _general_name(sk_GENERAL_NAME_value(names, i))
        if pair is not None:
            found.append(pair)
    GENERAL_NAMES_free(names)
    return found


cdef object _general_name(const GENERAL_NAME* name):
    """One alternative name; None: of a kind that is of no use here."""
    cdef int kind = 0
    cdef ASN1_STRING* s = <ASN1_STRING*>GENERAL_NAME_get0_value(name, &kind)
    cdef bytes raw
    if kind not in (GEN_DNS, GEN_EMAIL, GEN_IPADD, GEN_URI):
        return None
    raw = (<const char*>ASN1_STRING_get0_data(s))[:ASN1_STRING_length(s)]
    if kind == GEN_IPADD:
        return ("ip", str(ipaddress.ip_address(raw))) if len(raw) in (4, 16) else None
    text = raw.decode("ascii", "replace")
    if kind == GEN_DNS:
        return "dns", text.lower()
    return ("uri" if kind == GEN_URI else "email"), text
