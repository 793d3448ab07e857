# distutils: libraries = ssl crypto
"""TlsClient; see client.pxd."""

from fastgw.ext.base.reasons cimport (
    REASON_UPSTREAM_CERT_EXPIRED, REASON_UPSTREAM_CERT_NAME, REASON_UPSTREAM_CERT_REFUSED,
    REASON_UPSTREAM_CERT_UNTRUSTED, REASON_UPSTREAM_TLS_FAILED, Reason,
)
from fastgw.ext.io.tls.certificate cimport new_certificate
from fastgw.ext.io.tls.context cimport new_context
from fastgw.ext.io.tls.hello cimport Hello
from fastgw.ext.io.tls.openssl cimport (
    SSL_CIPHER_get_name, SSL_CTX_sess_set_new_cb, SSL_SESSION_free,
    SSL_SESSION_get_protocol_version, SSL_SESSION_is_resumable, SSL_add1_host, SSL_free,
    SSL_get0_param, SSL_get_app_data, SSL_get_current_cipher,
    SSL_get_verify_result, SSL_new, SSL_session_reused, SSL_set1_host, SSL_set_connect_state,
    SSL_set_hostflags, SSL_set_session, SSL_set_tlsext_host_name, SSL_version, TLS1_3_VERSION,
    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, X509_VERIFY_PARAM_set1_ip_asc,
    X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_SIGNATURE_FAILURE,
    X509_V_ERR_CERT_UNTRUSTED,
    X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_HOSTNAME_MISMATCH,
    X509_V_ERR_IP_ADDRESS_MISMATCH, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
    X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
    X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_OK, X509_verify_cert_error_string,
)
from fastgw.ext.io.tls.pem cimport last_error

cdef enum:
    LOG_EVERY_MS = 1000         # at most one line in this time


cdef class TlsClient(TlsSide):
    """See client.pxd. `options` is what fastgw/tls/upstream.py resolves: {settings, cert, key,
    sni, names}; `files` maps its digests to bytes. `host` is the server's, `literal` says that it
    is an IP address. ValueError says what can't be used."""

    def __init__(
        self, options: dict, files: object, host: str, literal: bool, label: str, log=None
    ) -> None:
        settings = options["settings"]
        self.context = new_context(settings, files, False, None)
        SSL_CTX_sess_set_new_cb(self.context.ctx, _keep)
        self.verifies = not settings.get("insecure_skip_verify", False)
        self.label, self.log = label, log
        self.logged_ms = -LOG_EVERY_MS
        name = options.get("sni") or ("" if literal else host)
        self.sni = name.encode("ascii")
        self.names = [n.encode("ascii") for n in options.get("names") or ([name] if name else [])]
        self.ip = b"" if self.names else host.encode("ascii")
        if options.get("cert"):
            self.own = new_certificate(files[options["cert"]], files[options["key"]], b"")
        if not self.verifies and log is not None:
            log("warning", f"tls to {label}: insecure_skip_verify, any certificate is believed")

    def __dealloc__(self):
        while self.kept:
            self.kept -= 1
            SSL_SESSION_free(self.sessions[self.kept])

    # -- handshakes -------------------------------------------------------------------------

    cdef SSL* begin(self, TlsStream s, const Hello* hello) noexcept:
        """A session that asks for the server's name, and expects it."""
        cdef SSL* ssl = SSL_new(self.context.ctx)
        if ssl == NULL:
            return NULL
        if (
            (self.sni and SSL_set_tlsext_host_name(ssl, self.sni) != 1)
            or (self.verifies and not self.expect(ssl))
            or (self.own is not None and not self.own.give(ssl))
        ):
            SSL_free(ssl)
            return NULL
        SSL_set_connect_state(ssl)
        self.use_session(ssl)
        return ssl

    cdef bint expect(self, SSL* ssl) noexcept:
        """Whose certificate it must be (RFC 9110 section 4.3.4)."""
        cdef bytes name
        cdef bint first = True
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)
        if self.ip:
            return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), self.ip) == 1
        for name in self.names:
            if (SSL_set1_host(ssl, name) if first else SSL_add1_host(ssl, name)) != 1:
                return False
            first = False
        return True

    cdef void finished(self, TlsStream s) noexcept:
        """Note what the handshake has brought."""
        self.handshakes += 1
        s.tls.version = SSL_version(s.ssl)
        s.tls.cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(s.ssl))
        s.tls.resumed = SSL_session_reused(s.ssl)
        self.resumed += s.tls.resumed

    cdef Reason failed(self, TlsStream s) noexcept:
        """What verification says, else what OpenSSL does, goes to the log."""
        cdef long verdict = SSL_get_verify_result(s.ssl) if s.ssl != NULL else X509_V_OK
        self.failures += 1
        said = last_error("the server ended it")
        if self.verifies and verdict != X509_V_OK:
            said = (<bytes>X509_verify_cert_error_string(verdict)).decode("ascii", "replace")
        self.trouble = said
        self.tell(s)
        return verdict_reason(verdict) if self.verifies else REASON_UPSTREAM_TLS_FAILED

    cdef void tell(self, TlsStream s) noexcept:
        """Log a failure, at most once a second."""
        if self.log is None or s.engine.now_ms < self.logged_ms + LOG_EVERY_MS:
            return
        self.logged_ms = s.engine.now_ms
        try:
            self.log("warning", f"tls to {self.label}: {self.trouble}")
        except Exception:
            self.log = None

    # -- sessions ---------------------------------------------------------------------------

    cdef void keep_session(self, SSL_SESSION* session) noexcept:
        """Keep a session for later, as the newest; takes the reference over."""
        cdef int i
        if self.kept == SESSIONS:
            SSL_SESSION_free(self.sessions[0])
            for i in range(SESSIONS - 1):
                self.sessions[i] = self.sessions[i + 1]
            self.kept -= 1
        self.sessions[self.kept] = session
        self.kept += 1

    cdef void use_session(self, SSL* ssl) noexcept:
        """Go on from the newest session. Of TLS 1.3 each serves once, so that nobody can link two
        connections by it (RFC 8446 appendix C.4)."""
        cdef SSL_SESSION* session
        while self.kept:
            session = self.sessions[self.kept - 1]
            if SSL_SESSION_is_resumable(session):
                SSL_set_session(ssl, session)
                if SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION:
                    return
                self.kept -= 1
                SSL_SESSION_free(session)
                return
            self.kept -= 1
            SSL_SESSION_free(session)


cdef int _keep(SSL* ssl, SSL_SESSION* session) noexcept:
    """OpenSSL has a session to keep; 1: we do, with its reference."""
    cdef TlsStream s = <TlsStream>SSL_get_app_data(ssl)
    (<TlsClient>s.side).keep_session(session)
    return 1


cdef Reason verdict_reason(long verdict) noexcept:
    """The reason of a verdict of X509_verify_cert."""
    if verdict == X509_V_OK:
        return REASON_UPSTREAM_TLS_FAILED
    if verdict in (X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID):
        return REASON_UPSTREAM_CERT_EXPIRED
    if verdict in (X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH):
        return REASON_UPSTREAM_CERT_NAME
    if verdict in (
        X509_V_ERR_CERT_SIGNATURE_FAILURE, X509_V_ERR_CERT_UNTRUSTED,
        X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
        X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
        X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
    ):
        return REASON_UPSTREAM_CERT_UNTRUSTED
    return REASON_UPSTREAM_CERT_REFUSED
