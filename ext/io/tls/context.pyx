# distutils: libraries = ssl crypto
"""TlsContext; see context.pxd.

`settings` is what fastgw/config/tls.py resolves: {min, max: "1.2", ciphers, suites, groups,
prefer_server, alpn: [...], session: hex, client: {mode, ca, crl}, ca}. Values that name files
are digests, which `files` maps to bytes. A value that OpenSSL refuses raises ValueError.
"""

from fastgw.ext.io.tls.openssl cimport (
    SSL, SSL_CTX_free, SSL_CTX_get_cert_store, SSL_CTX_get_client_CA_list,
    SSL_CTX_get_verify_mode, SSL_dup_CA_list, SSL_CTX_new, SSL_CTX_set1_cert_store,
    SSL_CTX_set1_groups_list, SSL_CTX_set_alpn_protos, SSL_CTX_set_alpn_select_cb,
    SSL_CTX_set_cipher_list, SSL_CTX_set_ciphersuites, SSL_CTX_set_client_CA_list,
    SSL_CTX_set_max_early_data, SSL_CTX_set_max_proto_version, SSL_CTX_set_min_proto_version,
    SSL_CTX_set_mode, SSL_CTX_set_options, SSL_CTX_set_session_cache_mode,
    SSL_CTX_set_session_id_context, SSL_CTX_set_timeout, SSL_CTX_set_verify,
    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, SSL_MODE_ENABLE_PARTIAL_WRITE, SSL_MODE_NO_AUTO_CHAIN,
    SSL_MODE_RELEASE_BUFFERS, SSL_OP_CIPHER_SERVER_PREFERENCE, SSL_OP_NO_COMPRESSION,
    SSL_OP_NO_RENEGOTIATION, SSL_OP_PRIORITIZE_CHACHA, SSL_SESS_CACHE_CLIENT,
    SSL_SESS_CACHE_NO_INTERNAL, SSL_SESS_CACHE_OFF, SSL_TLSEXT_ERR_ALERT_FATAL,
    SSL_TLSEXT_ERR_OK, SSL_VERIFY_FAIL_IF_NO_PEER_CERT, SSL_VERIFY_PEER, SSL_select_next_proto,
    TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION, TLS1_VERSION, TLS_client_method,
    TLS_server_method, X509_NAME_dup, X509_STORE_free, X509_STORE_new,
    X509_STORE_set_default_paths, X509_get_subject_name, sk_X509_NAME_new_null, sk_X509_NAME_push,
    stack_name,
)
from fastgw.ext.io.tls.pem cimport Cert, fill_store, last_error, read_chain

cdef enum:
    SESSION_S = 43200           # how long a ticket may begin another connection
    NEGOTIATED = 1              # OPENSSL_NPN_NEGOTIATED

VERSIONS = {"1.0": TLS1_VERSION, "1.1": TLS1_1_VERSION, "1.2": TLS1_2_VERSION,
            "1.3": TLS1_3_VERSION}

cdef X509_STORE* _roots = NULL


cdef class TlsContext:
    """See context.pxd."""

    def __dealloc__(self):
        if self.ctx != NULL:
            SSL_CTX_free(self.ctx)


cdef TlsContext new_context(dict settings, object files, bint server, TlsContext like):
    """A context of these settings; `like`: another one of the same, whose authorities it shares."""
    cdef TlsContext c = TlsContext.__new__(TlsContext)
    c.ctx = SSL_CTX_new(TLS_server_method() if server else TLS_client_method())
    if c.ctx == NULL:
        raise MemoryError
    SSL_CTX_set_mode(c.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                     | SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN)
    SSL_CTX_set_options(c.ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION)
    SSL_CTX_set_timeout(c.ctx, SESSION_S)
    _set_versions(c, settings)
    _set_ciphers(c, settings)
    c.alpn = b"".join(bytes([len(p)]) + p.encode("ascii") for p in settings.get("alpn", ()))
    if server:
        _set_server(c, settings, files, like)
    else:
        _set_client(c, settings, files)
    return c


def check_settings(settings: dict, files: object, server: bool) -> None:
    """Whether OpenSSL accepts the settings; ValueError says what it does not."""
    new_context(settings, files, server, None)


cdef int _set_versions(TlsContext c, dict settings) except -1:
    cdef int least = VERSIONS[settings.get("min", "1.2")]
    cdef int most = VERSIONS[settings.get("max", "1.3")]
    if least > most:
        raise ValueError(f"min_version {settings['min']} is above max_version {settings['max']}")
    SSL_CTX_set_min_proto_version(c.ctx, least)
    SSL_CTX_set_max_proto_version(c.ctx, most)
    return 0


cdef int _set_ciphers(TlsContext c, dict settings) except -1:
    cdef bytes ciphers = settings.get("ciphers", "").encode("ascii", "replace")
    cdef bytes suites = settings.get("suites", "").encode("ascii", "replace")
    cdef bytes groups = settings.get("groups", "").encode("ascii", "replace")
    if ciphers and SSL_CTX_set_cipher_list(c.ctx, ciphers) != 1:
        raise ValueError(f"ciphers: {last_error('none of them is known')}")
    if suites and SSL_CTX_set_ciphersuites(c.ctx, suites) != 1:
        raise ValueError(f"suites: {last_error('none of them is known')}")
    if groups and SSL_CTX_set1_groups_list(c.ctx, groups) != 1:
        last_error("")
        raise ValueError(f"groups: not all of '{settings['groups']}' are known to OpenSSL")
    if settings.get("prefer_server", False):
        SSL_CTX_set_options(c.ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA)
    return 0


# -- the server's side ---------------------------------------------------------------------------

cdef int _set_server(TlsContext c, dict settings, object files, TlsContext like) except -1:
    """Tickets alone carry sessions, and none crosses to other rules: they differ in `session`."""
    cdef bytes session = bytes.fromhex(settings["session"])
    cdef dict client = settings.get("client") or {"mode": "off"}
    SSL_CTX_set_session_cache_mode(c.ctx, SSL_SESS_CACHE_OFF)
    SSL_CTX_set_session_id_context(c.ctx, <const unsigned char*><const char*>session,
                                   <unsigned int>len(session))
    SSL_CTX_set_max_early_data(c.ctx, 0)
    if c.alpn:
        SSL_CTX_set_alpn_select_cb(c.ctx, _select_protocol, <void*>c)
    if client["mode"] != "off":
        c.asks = True
        if like is None:
            _ask_clients(c, client, files)
        else:
            _ask_alike(c, like)
    return 0


cdef int _ask_alike(TlsContext c, TlsContext like) except -1:
    """Ask for certificates as another context does."""
    SSL_CTX_set_client_CA_list(c.ctx, SSL_dup_CA_list(SSL_CTX_get_client_CA_list(like.ctx)))
    SSL_CTX_set1_cert_store(c.ctx, SSL_CTX_get_cert_store(like.ctx))
    SSL_CTX_set_verify(c.ctx, SSL_CTX_get_verify_mode(like.ctx), NULL)
    return 0


cdef int _ask_clients(TlsContext c, dict client, object files) except -1:
    """Ask for certificates of these authorities; with `require` there is no way without one."""
    cdef int mode = SSL_VERIFY_PEER
    cdef bytes cas = files[client["ca"]]
    cdef bytes crls = files[client["crl"]] if client.get("crl") else b""
    cdef stack_name* names = sk_X509_NAME_new_null()
    cdef Cert ca
    if names == NULL:
        raise MemoryError
    if client["mode"] == "require":
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT
    for ca in read_chain(cas):
        sk_X509_NAME_push(names, X509_NAME_dup(X509_get_subject_name(ca.x)))
    SSL_CTX_set_client_CA_list(c.ctx, names)
    fill_store(SSL_CTX_get_cert_store(c.ctx), cas, crls)
    SSL_CTX_set_verify(c.ctx, mode, NULL)
    return 0


cdef int _select_protocol(
    SSL* ssl, const unsigned char** out, unsigned char* outlen, const unsigned char* offered,
    unsigned int offered_n, void* arg
) noexcept:
    """Our first protocol that the client offers; none = the handshake ends (RFC 7301 3.2)."""
    cdef bytes ours = (<TlsContext>arg).alpn
    if SSL_select_next_proto(
        <unsigned char**>out, outlen, <const unsigned char*><const char*>ours,
        <unsigned int>len(ours), offered, offered_n
    ) == NEGOTIATED:
        return SSL_TLSEXT_ERR_OK
    return SSL_TLSEXT_ERR_ALERT_FATAL


# -- the client's side ---------------------------------------------------------------------------

cdef int _set_client(TlsContext c, dict settings, object files) except -1:
    """Verify, unless told not to, against `ca` or the system's roots."""
    cdef X509_STORE* store
    SSL_CTX_set_session_cache_mode(c.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL)
    if c.alpn:
        SSL_CTX_set_alpn_protos(c.ctx, <const unsigned char*><const char*>c.alpn,
                                <unsigned int>len(c.alpn))
    if settings.get("insecure_skip_verify"):
        return 0
    SSL_CTX_set_verify(c.ctx, SSL_VERIFY_PEER, NULL)
    if settings.get("ca"):
        crls = files[settings["crl"]] if settings.get("crl") else b""
        fill_store(SSL_CTX_get_cert_store(c.ctx), files[settings["ca"]], crls)
    else:
        store = system_roots()
        SSL_CTX_set1_cert_store(c.ctx, store)
    return 0


cdef X509_STORE* system_roots() except NULL:
    """What the system trusts (or $SSL_CERT_FILE, $SSL_CERT_DIR); read once a process."""
    global _roots
    if _roots == NULL:
        _roots = X509_STORE_new()
        if _roots == NULL or X509_STORE_set_default_paths(_roots) != 1:
            X509_STORE_free(_roots)
            _roots = NULL
            raise OSError(f"the system's roots can't be read: {last_error('no such file')}")
    return _roots
