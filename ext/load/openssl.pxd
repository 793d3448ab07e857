"""What a TLS client needs of OpenSSL 3; nothing here but declarations."""

from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

cdef extern from "<openssl/ssl.h>" nogil:
    ctypedef struct SSL
    ctypedef struct SSL_CTX
    ctypedef struct SSL_METHOD
    ctypedef struct SSL_SESSION
    ctypedef struct X509_VERIFY_PARAM
    enum:
        SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE
        SSL_VERIFY_NONE, SSL_VERIFY_PEER
        SSL_OP_IGNORE_UNEXPECTED_EOF
        SSL_MODE_ENABLE_PARTIAL_WRITE, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
        SSL_MODE_RELEASE_BUFFERS, SSL_SESS_CACHE_CLIENT, SSL_SESS_CACHE_NO_INTERNAL
    const SSL_METHOD* TLS_client_method()
    SSL_CTX* SSL_CTX_new(const SSL_METHOD* method)
    void SSL_CTX_free(SSL_CTX* ctx)
    void SSL_CTX_set_verify(SSL_CTX* ctx, int mode, void* callback)
    int SSL_CTX_set_default_verify_paths(SSL_CTX* ctx)
    int SSL_CTX_load_verify_locations(SSL_CTX* ctx, const char* file, const char* folder)
    int SSL_CTX_set_alpn_protos(SSL_CTX* ctx, const unsigned char* p, unsigned int n)
    uint64_t SSL_CTX_set_options(SSL_CTX* ctx, uint64_t options)
    long SSL_CTX_set_mode(SSL_CTX* ctx, long mode)
    long SSL_CTX_set_session_cache_mode(SSL_CTX* ctx, long mode)
    void SSL_CTX_set_read_ahead(SSL_CTX* ctx, int yes)
    int SSL_CTX_set_min_proto_version(SSL_CTX* ctx, int version)
    int SSL_CTX_set_max_proto_version(SSL_CTX* ctx, int version)
    void SSL_CTX_set_app_data(SSL_CTX* ctx, void* data)
    void* SSL_CTX_get_app_data(const SSL_CTX* ctx)
    SSL_CTX* SSL_get_SSL_CTX(const SSL* ssl)
    void SSL_CTX_sess_set_new_cb(SSL_CTX* ctx, int (*told)(SSL* ssl, SSL_SESSION* session))
    SSL* SSL_new(SSL_CTX* ctx)
    void SSL_free(SSL* ssl)
    int SSL_shutdown(SSL* ssl)
    int SSL_set_fd(SSL* ssl, int fd)
    void SSL_set_connect_state(SSL* ssl)
    int SSL_do_handshake(SSL* ssl)
    int SSL_read(SSL* ssl, void* into, int n)
    int SSL_write(SSL* ssl, const void* p, int n)
    int SSL_pending(const SSL* ssl)
    int SSL_get_error(const SSL* ssl, int code)
    long SSL_set_tlsext_host_name(SSL* ssl, const char* name)
    int SSL_set1_host(SSL* ssl, const char* name)
    int SSL_set_session(SSL* ssl, SSL_SESSION* session)
    void SSL_SESSION_free(SSL_SESSION* session)
    int SSL_session_reused(const SSL* ssl)
    void SSL_set_quiet_shutdown(SSL* ssl, int yes)
    X509_VERIFY_PARAM* SSL_get0_param(SSL* ssl)
    int X509_VERIFY_PARAM_set1_ip_asc(X509_VERIFY_PARAM* param, const char* ip)
    int TLS1_2_VERSION, TLS1_3_VERSION

cdef extern from "<openssl/err.h>" nogil:
    void ERR_clear_error()
    unsigned long ERR_peek_last_error()
    void ERR_error_string_n(unsigned long code, char* into, size_t n)

cdef extern from "<openssl/evp.h>" nogil:
    int EVP_EncodeBlock(unsigned char* into, const unsigned char* p, int n)

cdef extern from "<openssl/sha.h>" nogil:
    unsigned char* SHA1(const unsigned char* p, size_t n, unsigned char* into)
