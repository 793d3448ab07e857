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
    SSL_MODE_RELEASE_BUFFERS, SSL_SESSION, SSL_SESSION_free, SSL_SESSION_has_ticket,
    SSL_SESSION_is_resumable, SSL_SESS_CACHE_CLIENT, SSL_SESS_CACHE_NO_INTERNAL,
    SSL_VERIFY_NONE, SSL_VERIFY_PEER, SSL_free, SSL_get1_session, SSL_new, SSL_set1_host,
    SSL_set_connect_state, SSL_set_fd, SSL_set_quiet_shutdown, SSL_set_session,
    SSL_set_tlsext_host_name, SSL_shutdown, TLS1_2_VERSION, TLS1_3_VERSION, TLS_client_method,
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
        self.verify, self.resume = verify, resume
        SSL_CTX_set_mode(self.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                         | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS)
        # An end without close_notify would cost the session; what was cut off, the answer's own
        # length tells.
        SSL_CTX_set_options(self.ctx, SSL_OP_IGNORE_UNEXPECTED_EOF)
        SSL_CTX_set_read_ahead(self.ctx, 1)
        SSL_CTX_set_session_cache_mode(
            self.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL
        )
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
        if self.resume and self.session != NULL:
            SSL_set_session(ssl, self.session)
        SSL_set_connect_state(ssl)
        return ssl

    cdef void keep_session(self, SSL* ssl) noexcept nogil:
        """Keep what this connection learned, to be resumed by later ones."""
        cdef SSL_SESSION* found
        if not self.resume:
            return
        found = SSL_get1_session(ssl)
        if found == NULL:
            return
        # One without a ticket (its server sent none this time) is no better than what is there.
        if not SSL_SESSION_is_resumable(found) or (
            self.session != NULL and not SSL_SESSION_has_ticket(found)
        ):
            SSL_SESSION_free(found)
            return
        if self.session != NULL:
            SSL_SESSION_free(self.session)
        self.session = found

    cdef void end(self, SSL* ssl, bint keep) noexcept nogil:
        """The connection is over; with `keep` its session may be resumed."""
        if keep:
            self.keep_session(ssl)
        # Quiet: nothing is sent. Without it OpenSSL takes the session for a bad one.
        SSL_shutdown(ssl)
        SSL_free(ssl)
