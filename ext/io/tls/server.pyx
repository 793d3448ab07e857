# distutils: libraries = ssl crypto
"""TlsServer; see server.pxd."""

from libc.stdlib cimport malloc
from libc.string cimport memchr, memcmp, memcpy, strlen
from fastgw.ext.base.reasons cimport REASON_TLS_FAILED, Reason
from fastgw.ext.io.tls.certificate cimport Certificate
from fastgw.ext.io.tls.offers cimport Offer, new_offers
from fastgw.ext.io.tls.openssl cimport (
    EVP_CIPHER_CTX, EVP_DecryptInit_ex, EVP_EncryptInit_ex, EVP_MAC_CTX,
    EVP_MAC_CTX_set_params, EVP_aes_256_cbc, OPENSSL_malloc, OSSL_PARAM,
    OSSL_PARAM_construct_end, OSSL_PARAM_construct_octet_string, OSSL_PARAM_construct_utf8_string,
    RAND_bytes, SSL, SSL_CTX, SSL_AD_UNRECOGNIZED_NAME, SSL_CIPHER_get_name,
    SSL_CTX_set_tlsext_servername_callback, SSL_CTX_set_tlsext_status_cb,
    SSL_CTX_set_tlsext_ticket_key_evp_cb, SSL_TLSEXT_ERR_ALERT_FATAL, SSL_TLSEXT_ERR_NOACK,
    SSL_TLSEXT_ERR_OK, SSL_get1_peer_certificate, SSL_get_app_data,
    SSL_CTX_get_cert_store, SSL_get_SSL_CTX, SSL_get_current_cipher, SSL_get_peer_cert_chain,
    SSL_get_servername, SSL_new, SSL_session_reused, SSL_set_accept_state,
    SSL_set_tlsext_status_ocsp_resp, SSL_version, TLS1_3_VERSION, TLSEXT_NAMETYPE_host_name, X509,
    X509_STORE_up_ref, X509_chain_up_ref, stack_x509,
)
from fastgw.ext.io.tls.pem cimport last_error
from fastgw.ext.io.tls.stream cimport TlsFacts
from fastgw.ext.io.tls.tickets cimport TicketKey
from fastgw.ext.io.tls.tickets import RING_BYTES, make_ring

cdef extern from "<openssl/ssl.h>" nogil:
    X509* SSL_get_certificate(const SSL* ssl)

cdef enum:
    NAMES_A_SLICE = 256         # entered before the loop gets its share
    BEGUN_A_TURN = 8            # handshakes begun in one turn: others get theirs in between
    IV_BYTES = 16


cdef class TlsName:
    """See server.pxd."""


cdef class TlsServer(TlsSide):
    """See server.pxd; its names are entered by `fill`. `options` is what fastgw/tls/listener.py
    makes:

    {settings: [...], certificates: [{cert, key, ocsp}], names: {name: [settings, [certificate]]},
     default: [settings, [certificate]], strict, handshake_ms, handshakes, by_address};
    `files` maps its digests to bytes. ValueError says what can't be used."""

    def __init__(self, options: dict, files: object, TicketKeys tickets not None) -> None:
        self.tickets = ticket_keys(options, files, tickets)
        self.offers = new_offers(options["settings"], options["certificates"], files, _equip)
        self.asks = any((<TlsContext>c).asks for c in self.offers.plain)
        self.names = {}
        self.rows = options["names"]
        self.default = self.name("", options["default"])
        self.strict = options.get("strict", False)
        self.handshake_ms = options.get("handshake_ms", 10_000)
        self.most_handshakes = options.get("handshakes", 1000)
        self.most_by_address = options.get("by_address", 200)
        self.offers.get(self.default.offer)     # a wrong one is found now

    def fill(self, TlsServer previous=None):
        """Enter the names, a little at a time: an iterator. What `previous` has made of the same
        files is taken over."""
        cdef dict rows = self.rows
        cdef int n = 0
        self.rows = None
        for name, row in rows.items():
            entry = self.name(name, row)
            self.names[entry.name] = entry
            n += 1
            if n % NAMES_A_SLICE == 0:
                yield
        if previous is not None:
            yield from self.offers.take_over(previous.offers)

    def renew(self, files: object, digests: list) -> None:
        """The files of these digests, of certificates, hold another content now."""
        self.offers.renew(files, digests)

    @property
    def parsed_count(self) -> int:
        """How often certificates were parsed."""
        return self.offers.made

    def name(self, name: str, row: list) -> TlsName:
        """What a name gets; its certificates wait."""
        cdef TlsName made = TlsName.__new__(TlsName)
        made.name = name.removeprefix("*").encode("ascii")
        made.context = self.offers.plain[row[0]]
        made.offer = (row[0], tuple(row[1]))
        return made

    cdef Offer offer_of(self, TlsName name):
        """What the name's connections begin with; None: it can't be used."""
        try:
            return self.offers.get(name.offer)
        except Exception as e:
            self.trouble = f"certificate can't be used: {e}"
            return None

    # -- handshakes -------------------------------------------------------------------------

    cdef bint admits(self, TlsStream s) noexcept:
        """A bounded number of handshakes goes on in a turn: each costs as much as hundreds of
        requests, and established connections must keep their pace."""
        if self.turn != s.engine.turns:
            self.turn = s.engine.turns
            self.begun = 0
        if self.begun >= BEGUN_A_TURN:
            return False
        self.begun += 1
        return True

    cdef TlsName find(self, const char* name, size_t n):
        """The entry of a name: exact, else the wildcard one label up; None: there is none."""
        cdef const char* dot
        cdef object found = self.names.get(name[:n])
        if found is None:
            dot = <const char*>memchr(name, 46, n)
            if dot != NULL:
                found = self.names.get(dot[:n - (dot - name)])
        return <TlsName>found

    cdef SSL* begin(self, TlsStream s, const Hello* hello) noexcept:
        """A session with the settings and certificates of the name."""
        cdef TlsName name = self.find(hello.name, hello.name_n) if hello.name_n else self.default
        cdef Offer offer
        cdef SSL* ssl
        cdef bint refused = name is None and self.strict
        if name is None:
            # An unknown name gets the default certificate, as browsers expect; a refused one is
            # not noted, so that OpenSSL finds another (`_check_name`) and sends the alert.
            name = self.default
        if hello.name_n and not refused:
            s.tls.name = <char*>malloc(hello.name_n + 1)
            if s.tls.name == NULL:
                return NULL
            memcpy(s.tls.name, hello.name, hello.name_n + 1)
            s.tls.name_n = hello.name_n
        offer = self.offer_of(name)
        ssl = SSL_new(offer.context.ctx) if offer is not None else NULL
        if ssl == NULL:
            return NULL
        SSL_set_accept_state(ssl)
        s.tls.host_bound, s.tls.asks, s.tls.side = self.asks, name.context.asks, <void*>self
        s.choice = offer
        return ssl

    cdef void finished(self, TlsStream s) noexcept:
        """Note what the handshake has brought."""
        s.tls.version = SSL_version(s.ssl)
        s.tls.cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(s.ssl))
        s.tls.resumed = SSL_session_reused(s.ssl)
        s.tls.peer = SSL_get1_peer_certificate(s.ssl)
        if s.tls.peer != NULL:
            keep_chain(s)

    cdef bint directs(self, const TlsFacts* t, const char* host, size_t n) noexcept:
        """Where one of the two names demands certificates they must be the same (421). Without a
        name the connection got the default's settings, and serves the names that have these."""
        cdef TlsName name = self.find(host, n)
        if name is None:
            name = self.default
        if not t.asks and not name.context.asks:
            return True
        if t.name == NULL:
            return name.context is self.default.context
        return n == t.name_n and memcmp(host, t.name, n) == 0

    cdef Reason failed(self, TlsStream s) noexcept:
        """Keep OpenSSL's words for the log."""
        self.trouble = last_error(self.trouble or "ended by the peer")
        return REASON_TLS_FAILED


cdef void keep_chain(TlsStream s) noexcept:
    """What the client has shown besides its certificate. Tickets don't hold that: after a
    resumption it is found again among the authorities, if somebody asks (identity.pyx)."""
    cdef stack_x509* shown = SSL_get_peer_cert_chain(s.ssl)
    s.tls.roots = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(s.ssl))
    X509_STORE_up_ref(s.tls.roots)
    if shown != NULL:
        s.tls.chain = X509_chain_up_ref(shown)


cdef TicketKeys ticket_keys(dict options, object files, TicketKeys node):
    """Keys of a file, for several nodes, or the node's own."""
    if not options.get("ticket_keys"):
        return node
    ring = bytearray(RING_BYTES)
    make_ring(ring, files[options["ticket_keys"]])
    return TicketKeys(ring)


# -- what OpenSSL calls ------------------------------------------------------------------------

cdef void _equip(SSL_CTX* ctx) noexcept:
    """Names, stapling and tickets."""
    SSL_CTX_set_tlsext_servername_callback(ctx, _check_name)
    SSL_CTX_set_tlsext_status_cb(ctx, _staple)
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, _seal_ticket)


cdef int _check_name(SSL* ssl, int* alert, void* arg) noexcept:
    """OpenSSL must read the name that we chose by; a name that is not served ends here."""
    cdef TlsStream s = <TlsStream>SSL_get_app_data(ssl)
    cdef const char* said = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)
    cdef size_t n = strlen(said) if said != NULL else 0
    if n > 1 and said[n - 1] == 46:
        n -= 1
    if n != s.tls.name_n or not _equal_fold(said, s.tls.name, n):
        alert[0] = SSL_AD_UNRECOGNIZED_NAME
        return SSL_TLSEXT_ERR_ALERT_FATAL
    return SSL_TLSEXT_ERR_OK if n else SSL_TLSEXT_ERR_NOACK


cdef bint _equal_fold(const char* a, const char* lower, size_t n) noexcept:
    cdef size_t i
    cdef char c
    for i in range(n):
        c = a[i] + 32 if 65 <= a[i] <= 90 else a[i]
        if c != lower[i]:
            return False
    return True


cdef int _staple(SSL* ssl, void* arg) noexcept:
    """The OCSP answer of the certificate that was chosen (RFC 6066 section 8)."""
    cdef TlsStream s = <TlsStream>SSL_get_app_data(ssl)
    cdef Offer offer = <Offer>s.choice
    cdef Certificate c
    cdef unsigned char* copy
    if offer is None:
        return SSL_TLSEXT_ERR_NOACK
    for c in offer.certificates:
        if c.leaf != SSL_get_certificate(ssl) or not c.ocsp:
            continue
        copy = <unsigned char*>OPENSSL_malloc(len(c.ocsp))
        if copy == NULL:
            break
        memcpy(copy, <const char*>c.ocsp, len(c.ocsp))
        SSL_set_tlsext_status_ocsp_resp(ssl, copy, <long>len(c.ocsp))
        return SSL_TLSEXT_ERR_OK
    return SSL_TLSEXT_ERR_NOACK


cdef int _seal_ticket(
    SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
    int encrypt
) noexcept:
    """The keys of a ticket: 0 = none of ours, 1 = as it is, 2 = and send a new one."""
    cdef TlsStream s = <TlsStream>SSL_get_app_data(ssl)
    cdef TicketKeys keys = (<TlsServer>s.side).tickets
    cdef const TicketKey* key
    cdef bint old = False
    if encrypt:
        key = keys.sealing()
        if RAND_bytes(iv, IV_BYTES) != 1:
            return -1
        memcpy(name, key.name, 16)
        EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv)
    else:
        key = keys.opening(name, &old)
        if key == NULL:
            return 0
        EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv)
    if not _set_mac(mac, key):
        return -1
    # 2 = the client is given a new one. Under TLS 1.3 each serves once (RFC 8446 appendix C.4).
    return 2 if old or SSL_version(ssl) == TLS1_3_VERSION else 1


cdef bint _set_mac(EVP_MAC_CTX* mac, const TicketKey* key) noexcept:
    cdef OSSL_PARAM params[3]
    params[0] = OSSL_PARAM_construct_octet_string(b"key", <void*>key.mac, 32)
    params[1] = OSSL_PARAM_construct_utf8_string(b"digest", b"SHA256", 0)
    params[2] = OSSL_PARAM_construct_end()
    return EVP_MAC_CTX_set_params(mac, params) == 1
