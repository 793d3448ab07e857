# distutils: libraries = ssl crypto
"""TlsClient; see tls_client.pxd."""

from ipaddress import ip_address

cimport cython
from fastgw.ext.load.openssl cimport (
    SSL, SSL_get0_param, X509_VERIFY_PARAM_set1_ip_asc, SSL_CTX_free,
    SSL_CTX_load_verify_locations, SSL_CTX_new, SSL_CTX_set_alpn_protos,
    SSL_CTX_set_default_verify_paths, SSL_CTX_set_max_proto_version,
    SSL_CTX_set_min_proto_version, SSL_CTX_set_mode, SSL_CTX_set_options,
    SSL_CTX_set_read_ahead, SSL_OP_IGNORE_UNEXPECTED_EOF, SSL_CTX_set_session_cache_mode,
    SSL_CTX_set_verify, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, SSL_MODE_ENABLE_PARTIAL_WRITE,
    SSL_MODE_RELEASE_BUFFERS, SSL_SESSION, SSL_SESSION_free, SSL_SESS_CACHE_CLIENT,
    SSL_SESS_CACHE_NO_INTERNAL, SSL_VERIFY_NONE, SSL_VERIFY_PEER, SSL_free, SSL_new,
    SSL_set1_host, SSL_set_connect_state, SSL_set_fd, SSL_set_quiet_shutdown, SSL_set_session,
    SSL_set_tlsext_host_name, SSL_shutdown, TLS1_2_VERSION, TLS1_3_VERSION, TLS_client_method,
    SSL_CTX_get_app_data, SSL_CTX_sess_set_new_cb, SSL_CTX_set_app_data, SSL_get_SSL_CTX,
)

cdef bytes ALPN = b"\x08http/1.1"


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


@cython.final
cdef class TlsClient:
    """Options of a load's TLS.

    `name`: server name; `verify`: against `ca` (a file) or the system's roots; `resume`: new
    connections resume the last session; `version`: "1.2", "1.3" or "" for what both know.
    OSError when `ca` can't be read."""

    def __cinit__(
        self,
        name: str,
        verify: bool = True,
        ca: str = "",
        resume: bool = False,
        version: str = "",
    ):
        cdef bytes file = ca.encode()
        cdef int number
        if version not in ("", "1.2", "1.3"):
            raise ValueError(f"{version!r} is no version of TLS that is known: 1.2 or 1.3")
        self.ctx = SSL_CTX_new(TLS_client_method())
        if self.ctx == NULL:
            raise MemoryError()
        self.is_address = _is_address(name)
        self.name = name.encode("ascii" if self.is_address else "idna")
        self.name_p = self.name
        self.verify = verify
        SSL_CTX_set_mode(self.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                         | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS)
        # An end without close_notify would cost the session; what was cut off, the answer's own
        # length tells.
        SSL_CTX_set_options(self.ctx, SSL_OP_IGNORE_UNEXPECTED_EOF)
        SSL_CTX_set_read_ahead(self.ctx, 1)
        SSL_CTX_set_session_cache_mode(
            self.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
        )
        if resume:
            SSL_CTX_set_app_data(self.ctx, &self.session)
            SSL_CTX_sess_set_new_cb(self.ctx, _on_session)
        SSL_CTX_set_alpn_protos(self.ctx, <const unsigned char*><char*>ALPN, len(ALPN))
        if version:
            number = TLS1_2_VERSION if version == "1.2" else TLS1_3_VERSION
            SSL_CTX_set_min_proto_version(self.ctx, number)
            SSL_CTX_set_max_proto_version(self.ctx, number)
        SSL_CTX_set_verify(self.ctx, SSL_VERIFY_PEER if verify else SSL_VERIFY_NONE, NULL)
        if file and SSL_CTX_load_verify_locations(self.ctx, file, NULL) != 1:
            raise OSError(f"{ca}: no certificates can be read from it")
        if verify and not file:
            SSL_CTX_set_default_verify_paths(self.ctx)

    def __dealloc__(self):
        if self.session != NULL:
            SSL_SESSION_free(self.session)
        if self.ctx != NULL:
            SSL_CTX_free(self.ctx)

    cdef SSL* connect(self, int fd) noexcept nogil:
        """A session on a connected socket, before its handshake; NULL: no memory."""
        cdef SSL* ssl = SSL_new(self.ctx)
        if ssl == NULL:
            return NULL
        if SSL_set_fd(ssl, fd) != 1:
            SSL_free(ssl)
            return NULL
        # RFC 6066 section 3: an address is no server name.
        if not self.is_address:
            SSL_set_tlsext_host_name(ssl, self.name_p)
        if self.verify and self.is_address:
            X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), self.name_p)
        elif self.verify:
            SSL_set1_host(ssl, self.name_p)
        SSL_set_quiet_shutdown(ssl, 1)
        if self.session != NULL:
            SSL_set_session(ssl, self.session)
        SSL_set_connect_state(ssl)
        return ssl

    cdef void end(self, SSL* ssl) noexcept nogil:
        """The connection is over."""
        # Quiet: nothing is sent. Without it OpenSSL takes the session for a bad one.
        SSL_shutdown(ssl)
        SSL_free(ssl)


cdef int _on_session(SSL* ssl, SSL_SESSION* session) noexcept nogil:
    """The server has given a session: it takes the place of the last one."""
    cdef SSL_SESSION** slot = <SSL_SESSION**>SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl))
    if slot[0] != NULL:
        SSL_SESSION_free(slot[0])
    slot[0] = session
    return 1                            # it is ours now
