"""What ext/io/tls uses of OpenSSL 3, declared once. Nothing here but declarations."""

from libc.stdint cimport uint64_t

cdef extern from "<openssl/ssl.h>" nogil:
    # -- objects, all opaque and counted by OpenSSL -----------------------------------------
    ctypedef struct SSL_METHOD:
        pass
    ctypedef struct SSL_CTX:
        pass
    ctypedef struct SSL:
        pass
    ctypedef struct SSL_SESSION:
        pass
    ctypedef struct SSL_CIPHER:
        pass
    ctypedef struct BIO:
        pass
    ctypedef struct BIO_METHOD:
        pass
    ctypedef struct X509:
        pass
    ctypedef struct X509_CRL:
        pass
    ctypedef struct X509_NAME:
        pass
    ctypedef struct X509_STORE:
        pass
    ctypedef struct X509_STORE_CTX:
        pass
    ctypedef struct X509_VERIFY_PARAM:
        pass
    ctypedef struct EVP_PKEY:
        pass
    ctypedef struct EVP_MD:
        pass
    ctypedef struct EVP_CIPHER:
        pass
    ctypedef struct EVP_CIPHER_CTX:
        pass
    ctypedef struct EVP_MAC_CTX:
        pass
    ctypedef struct ASN1_INTEGER:
        pass
    ctypedef struct ASN1_TIME:
        pass
    ctypedef struct ASN1_STRING:
        pass
    ctypedef struct BIGNUM:
        pass
    ctypedef struct stack_extension "STACK_OF(X509_EXTENSION)":
        pass
    ctypedef struct stack_x509 "STACK_OF(X509)":
        pass
    ctypedef struct stack_name "STACK_OF(X509_NAME)":
        pass
    ctypedef struct stack_general "STACK_OF(GENERAL_NAME)":
        pass

# Callbacks run with the interpreter held, as whatever calls into OpenSSL does.
cdef extern from "<openssl/ssl.h>":
    ctypedef int (*alpn_fn)(
        SSL* ssl, const unsigned char** out, unsigned char* outlen,
        const unsigned char* offered, unsigned int offered_n, void* arg
    )
    ctypedef int (*servername_fn)(SSL* ssl, int* alert, void* arg)
    ctypedef int (*status_fn)(SSL* ssl, void* arg)
    ctypedef int (*session_fn)(SSL* ssl, SSL_SESSION* session)
    ctypedef int (*ticket_fn)(
        SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
        EVP_MAC_CTX* mac, int encrypt
    )
    ctypedef int (*bio_write_fn)(BIO* bio, const char* p, int n)
    ctypedef int (*bio_read_fn)(BIO* bio, char* into, int n)
    ctypedef long (*bio_ctrl_fn)(BIO* bio, int what, long number, void* p)
    ctypedef int (*password_fn)(char* into, int n, int rwflag, void* arg)

cdef extern from "<openssl/ssl.h>" nogil:
    # -- contexts ---------------------------------------------------------------------------
    enum:
        TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION
        SSL_OP_NO_RENEGOTIATION, SSL_OP_NO_COMPRESSION, SSL_OP_CIPHER_SERVER_PREFERENCE
        SSL_OP_PRIORITIZE_CHACHA, SSL_OP_NO_TICKET
        SSL_MODE_ENABLE_PARTIAL_WRITE, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
        SSL_MODE_RELEASE_BUFFERS, SSL_MODE_NO_AUTO_CHAIN
        SSL_SESS_CACHE_OFF, SSL_SESS_CACHE_CLIENT, SSL_SESS_CACHE_NO_INTERNAL
        SSL_VERIFY_NONE, SSL_VERIFY_PEER, SSL_VERIFY_FAIL_IF_NO_PEER_CERT
        SSL_ERROR_NONE, SSL_ERROR_WANT_READ, SSL_ERROR_ZERO_RETURN
        SSL_SENT_SHUTDOWN, SSL_RECEIVED_SHUTDOWN
        SSL_TLSEXT_ERR_OK, SSL_TLSEXT_ERR_NOACK, SSL_TLSEXT_ERR_ALERT_FATAL
        SSL_AD_UNRECOGNIZED_NAME
        TLSEXT_NAMETYPE_host_name
    const SSL_METHOD* TLS_server_method()
    const SSL_METHOD* TLS_client_method()
    SSL_CTX* SSL_CTX_new(const SSL_METHOD* method)
    void SSL_CTX_free(SSL_CTX* ctx)
    uint64_t SSL_CTX_set_options(SSL_CTX* ctx, uint64_t options)
    long SSL_CTX_set_mode(SSL_CTX* ctx, long mode)
    long SSL_CTX_set_session_cache_mode(SSL_CTX* ctx, long mode)
    long SSL_CTX_set_timeout(SSL_CTX* ctx, long seconds)
    int SSL_CTX_set_num_tickets(SSL_CTX* ctx, size_t n)
    int SSL_CTX_set_max_early_data(SSL_CTX* ctx, unsigned int n)
    int SSL_CTX_set_min_proto_version(SSL_CTX* ctx, int version)
    int SSL_CTX_set_max_proto_version(SSL_CTX* ctx, int version)
    int SSL_CTX_set_cipher_list(SSL_CTX* ctx, const char* list)
    int SSL_CTX_set_ciphersuites(SSL_CTX* ctx, const char* list)
    int SSL_CTX_set1_groups_list(SSL_CTX* ctx, const char* list)
    int SSL_CTX_set_session_id_context(SSL_CTX* ctx, const unsigned char* id, unsigned int n)
    void SSL_CTX_set_verify(SSL_CTX* ctx, int mode, void* callback)
    void SSL_CTX_set_verify_depth(SSL_CTX* ctx, int depth)
    X509_STORE* SSL_CTX_get_cert_store(const SSL_CTX* ctx)
    int SSL_CTX_set1_cert_store(SSL_CTX* ctx, X509_STORE* store)
    int SSL_CTX_get_verify_mode(const SSL_CTX* ctx)
    const stack_name* SSL_CTX_get_client_CA_list(const SSL_CTX* ctx)
    stack_name* SSL_dup_CA_list(const stack_name* names)
    void SSL_CTX_set_client_CA_list(SSL_CTX* ctx, stack_name* names)
    int SSL_CTX_use_cert_and_key(
        SSL_CTX* ctx, X509* cert, EVP_PKEY* key, stack_x509* chain, int override
    )
    int SSL_CTX_set_alpn_protos(SSL_CTX* ctx, const unsigned char* protos, unsigned int n)
    void SSL_CTX_set_alpn_select_cb(SSL_CTX* ctx, alpn_fn callback, void* arg)
    int SSL_CTX_set_tlsext_servername_callback(SSL_CTX* ctx, servername_fn callback)
    int SSL_CTX_set_tlsext_status_cb(SSL_CTX* ctx, status_fn callback)
    int SSL_CTX_set_tlsext_ticket_key_evp_cb(SSL_CTX* ctx, ticket_fn callback)
    void SSL_CTX_sess_set_new_cb(SSL_CTX* ctx, session_fn callback)
    int SSL_select_next_proto(
        unsigned char** out, unsigned char* outlen, const unsigned char* server,
        unsigned int server_n, const unsigned char* client, unsigned int client_n
    )

    # -- connections ------------------------------------------------------------------------
    SSL* SSL_new(SSL_CTX* ctx)
    void SSL_free(SSL* ssl)
    void SSL_set_bio(SSL* ssl, BIO* reads, BIO* writes)
    void SSL_set_accept_state(SSL* ssl)
    void SSL_set_connect_state(SSL* ssl)
    int SSL_set_app_data(SSL* ssl, void* data)
    void* SSL_get_app_data(const SSL* ssl)
    int SSL_use_cert_and_key(
        SSL* ssl, X509* cert, EVP_PKEY* key, stack_x509* chain, int override
    )
    int SSL_do_handshake(SSL* ssl)
    int SSL_read_ex(SSL* ssl, void* into, size_t n, size_t* got)
    int SSL_write_ex(SSL* ssl, const void* p, size_t n, size_t* written)
    int SSL_shutdown(SSL* ssl)
    int SSL_get_shutdown(const SSL* ssl)
    void SSL_set_shutdown(SSL* ssl, int mode)
    int SSL_pending(const SSL* ssl)
    int SSL_get_error(const SSL* ssl, int returned)
    int SSL_key_update(SSL* ssl, int kind)
    int SSL_version(const SSL* ssl)
    const char* SSL_get_version(const SSL* ssl)
    const SSL_CIPHER* SSL_get_current_cipher(const SSL* ssl)
    const char* SSL_CIPHER_get_name(const SSL_CIPHER* cipher)
    void SSL_get0_alpn_selected(const SSL* ssl, const unsigned char** p, unsigned int* n)
    const char* SSL_get_servername(const SSL* ssl, int kind)
    int SSL_session_reused(const SSL* ssl)
    long SSL_get_verify_result(const SSL* ssl)
    X509* SSL_get1_peer_certificate(const SSL* ssl)
    X509* SSL_get0_peer_certificate(const SSL* ssl)
    stack_x509* SSL_get_peer_cert_chain(const SSL* ssl)
    long SSL_set_tlsext_host_name(SSL* ssl, const char* name)
    long SSL_set_tlsext_status_ocsp_resp(SSL* ssl, unsigned char* der, long n)
    int SSL_set1_host(SSL* ssl, const char* name)
    int SSL_add1_host(SSL* ssl, const char* name)
    void SSL_set_hostflags(SSL* ssl, unsigned int flags)
    X509_VERIFY_PARAM* SSL_get0_param(SSL* ssl)
    int SSL_set_session(SSL* ssl, SSL_SESSION* session)
    SSL_CTX* SSL_get_SSL_CTX(const SSL* ssl)
    SSL_SESSION* SSL_get0_session(const SSL* ssl)
    int SSL_SESSION_up_ref(SSL_SESSION* session)
    void SSL_SESSION_free(SSL_SESSION* session)
    int SSL_SESSION_is_resumable(const SSL_SESSION* session)
    int SSL_SESSION_get_protocol_version(const SSL_SESSION* session)

cdef extern from "<openssl/bio.h>" nogil:
    enum:
        BIO_CTRL_FLUSH, BIO_CTRL_PENDING, BIO_TYPE_SOURCE_SINK
    BIO_METHOD* BIO_meth_new(int kind, const char* name)
    int BIO_meth_set_write(BIO_METHOD* method, bio_write_fn write)
    int BIO_meth_set_read(BIO_METHOD* method, bio_read_fn read)
    int BIO_meth_set_ctrl(BIO_METHOD* method, bio_ctrl_fn ctrl)
    BIO* BIO_new(const BIO_METHOD* method)
    BIO* BIO_new_mem_buf(const void* p, int n)
    const BIO_METHOD* BIO_s_mem()
    int BIO_free(BIO* bio)
    void BIO_set_data(BIO* bio, void* data)
    void* BIO_get_data(BIO* bio)
    void BIO_set_init(BIO* bio, int init)
    void BIO_set_retry_read(BIO* bio)
    void BIO_clear_retry_flags(BIO* bio)
    long BIO_get_mem_data(BIO* bio, char** p)
    int BIO_eof(BIO* bio)
    int BIO_tell(BIO* bio)

cdef extern from "<openssl/err.h>" nogil:
    void ERR_clear_error()
    unsigned long ERR_get_error()
    unsigned long ERR_peek_error()
    unsigned long ERR_peek_last_error()
    int ERR_GET_REASON(unsigned long error)
    int ERR_GET_LIB(unsigned long error)
    const char* ERR_reason_error_string(unsigned long error)

cdef extern from "<openssl/pem.h>" nogil:
    enum:
        PEM_R_NO_START_LINE, PEM_R_BAD_PASSWORD_READ
        ERR_LIB_PEM
    X509* PEM_read_bio_X509(BIO* bio, X509** x, password_fn callback, void* arg)
    int PEM_bytes_read_bio(
        unsigned char** der, long* n, char** name, const char* wanted, BIO* bio,
        password_fn callback, void* arg
    )
    X509_CRL* PEM_read_bio_X509_CRL(BIO* bio, X509_CRL** x, password_fn callback, void* arg)
    int PEM_write_bio_X509(BIO* bio, X509* x)
    int PEM_write_bio_PrivateKey(
        BIO* bio, EVP_PKEY* key, const EVP_CIPHER* cipher, unsigned char* pass_, int n,
        password_fn callback, void* arg
    )

cdef extern from "<openssl/x509.h>" nogil:
    ctypedef struct X509_ALGOR:
        pass
    ctypedef struct PKCS8_PRIV_KEY_INFO:
        pass
    int X509_ALGOR_cmp(const X509_ALGOR* a, const X509_ALGOR* b)
    PKCS8_PRIV_KEY_INFO* d2i_PKCS8_PRIV_KEY_INFO(
        PKCS8_PRIV_KEY_INFO** info, const unsigned char** der, long n
    )
    void PKCS8_PRIV_KEY_INFO_free(PKCS8_PRIV_KEY_INFO* info)
    int PKCS8_pkey_get0(
        const void** kind, const unsigned char** key, int* n, const X509_ALGOR** algorithm,
        const PKCS8_PRIV_KEY_INFO* info
    )
    int i2d_X509(X509* x, unsigned char** out)
    X509* d2i_X509(X509** x, const unsigned char** der, long n)
    void X509_free(X509* x)
    X509* X509_new()
    int X509_up_ref(X509* x)
    int X509_set_version(X509* x, long version)
    ASN1_INTEGER* X509_get_serialNumber(X509* x)
    ASN1_TIME* X509_getm_notBefore(const X509* x)
    ASN1_TIME* X509_getm_notAfter(const X509* x)
    const ASN1_TIME* X509_get0_notBefore(const X509* x)
    const ASN1_TIME* X509_get0_notAfter(const X509* x)
    ASN1_TIME* X509_gmtime_adj(ASN1_TIME* t, long seconds)
    int X509_set_pubkey(X509* x, EVP_PKEY* key)
    EVP_PKEY* X509_get0_pubkey(const X509* x)
    X509_NAME* X509_get_subject_name(const X509* x)
    X509_NAME* X509_get_issuer_name(const X509* x)
    int X509_set_issuer_name(X509* x, const X509_NAME* name)
    int X509_NAME_add_entry_by_txt(
        X509_NAME* name, const char* field, int kind, const unsigned char* bytes, int n,
        int at, int set_
    )
    int X509_NAME_print_ex(BIO* bio, const X509_NAME* name, int indent, unsigned long flags)
    X509_NAME* X509_NAME_dup(const X509_NAME* name)
    int X509_sign(X509* x, EVP_PKEY* key, const EVP_MD* digest)
    int X509_digest(const X509* x, const EVP_MD* digest, unsigned char* out, unsigned int* n)
    int X509_check_private_key(const X509* x, const EVP_PKEY* key)
    void X509_CRL_free(X509_CRL* crl)
    const char* X509_verify_cert_error_string(long code)
    enum:
        MBSTRING_UTF8, XN_FLAG_RFC2253, ASN1_STRFLGS_ESC_MSB

cdef extern from "<openssl/x509_vfy.h>" nogil:
    enum:
        X509_V_OK, X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID
        X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH, X509_V_ERR_CERT_REVOKED
        X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
        X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_UNTRUSTED
        X509_V_ERR_CERT_SIGNATURE_FAILURE
        X509_V_FLAG_CRL_CHECK, X509_V_FLAG_CRL_CHECK_ALL
        X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS
    X509_STORE* X509_STORE_new()
    void X509_STORE_free(X509_STORE* store)
    int X509_STORE_up_ref(X509_STORE* store)
    int X509_STORE_add_cert(X509_STORE* store, X509* x)
    int X509_STORE_add_crl(X509_STORE* store, X509_CRL* crl)
    int X509_STORE_set_flags(X509_STORE* store, unsigned long flags)
    int X509_STORE_set_default_paths(X509_STORE* store)
    int X509_VERIFY_PARAM_set1_ip_asc(X509_VERIFY_PARAM* param, const char* ip)

cdef extern from "<openssl/x509v3.h>" nogil:
    enum:
        GEN_DNS, GEN_IPADD, GEN_URI, GEN_EMAIL
        NID_subject_alt_name
    ctypedef struct GENERAL_NAME:
        int type
    void* GENERAL_NAME_get0_value(const GENERAL_NAME* name, int* kind)
    void* X509V3_get_d2i(const stack_extension* exts, int nid, int* critical, int* index)
    void* X509_get_ext_d2i(const X509* x, int nid, int* critical, int* index)
    int sk_GENERAL_NAME_num(const stack_general* names)
    GENERAL_NAME* sk_GENERAL_NAME_value(const stack_general* names, int i)
    void GENERAL_NAMES_free(stack_general* names)
    ctypedef struct X509V3_CTX:
        pass
    ctypedef struct X509_EXTENSION:
        pass
    void X509V3_set_ctx(
        X509V3_CTX* ctx, X509* issuer, X509* subject, void* req, void* crl, int flags
    )
    X509_EXTENSION* X509V3_EXT_conf_nid(void* conf, X509V3_CTX* ctx, int nid, const char* value)
    int X509_add_ext(X509* x, X509_EXTENSION* ext, int at)
    void X509_EXTENSION_free(X509_EXTENSION* ext)

cdef extern from "<openssl/bn.h>" nogil:
    int BN_num_bits(const BIGNUM* number)
    int BN_bn2bin(const BIGNUM* number, unsigned char* into)
    void BN_free(BIGNUM* number)

cdef extern from "<openssl/objects.h>" nogil:
    enum:
        NID_rsaEncryption, NID_X9_62_id_ecPublicKey, NID_ED25519
        NID_X9_62_prime256v1, NID_secp384r1, NID_secp521r1

cdef extern from "<openssl/asn1.h>" nogil:
    int ASN1_INTEGER_set_uint64(ASN1_INTEGER* to, uint64_t value)
    const unsigned char* ASN1_STRING_get0_data(const ASN1_STRING* s)
    int ASN1_STRING_length(const ASN1_STRING* s)
    int ASN1_get_object(
        const unsigned char** at, long* length, int* tag, int* kind, long most
    )
    int ASN1_TIME_diff(int* days, int* seconds, const ASN1_TIME* a, const ASN1_TIME* b)
    int ASN1_TIME_print(BIO* bio, const ASN1_TIME* t)

cdef extern from "<openssl/evp.h>" nogil:
    enum:
        EVP_PKEY_RSA, EVP_PKEY_EC, EVP_PKEY_ED25519
    int EVP_PKEY_get_base_id(const EVP_PKEY* key)
    int EVP_PKEY_get_bits(const EVP_PKEY* key)
    void EVP_PKEY_free(EVP_PKEY* key)
    int EVP_PKEY_get_octet_string_param(
        const EVP_PKEY* key, const char* name, unsigned char* into, size_t most, size_t* n
    )
    int EVP_PKEY_get_bn_param(const EVP_PKEY* key, const char* name, BIGNUM** found)
    EVP_PKEY* ec_key "EVP_EC_gen" (const char* curve)
    const EVP_MD* EVP_sha256()
    const EVP_CIPHER* EVP_aes_256_cbc()
    int EVP_EncryptInit_ex(
        EVP_CIPHER_CTX* ctx, const EVP_CIPHER* cipher, void* engine, const unsigned char* key,
        const unsigned char* iv
    )
    int EVP_DecryptInit_ex(
        EVP_CIPHER_CTX* ctx, const EVP_CIPHER* cipher, void* engine, const unsigned char* key,
        const unsigned char* iv
    )
    ctypedef struct OSSL_PARAM:
        pass
    int EVP_MAC_CTX_set_params(EVP_MAC_CTX* ctx, const OSSL_PARAM* params)
    OSSL_PARAM OSSL_PARAM_construct_octet_string(const char* key, void* p, size_t n)
    OSSL_PARAM OSSL_PARAM_construct_utf8_string(const char* key, char* p, size_t n)
    OSSL_PARAM OSSL_PARAM_construct_end()

cdef extern from "<openssl/decoder.h>" nogil:
    enum:
        EVP_PKEY_KEYPAIR
    ctypedef struct OSSL_DECODER_CTX:
        pass
    OSSL_DECODER_CTX* OSSL_DECODER_CTX_new_for_pkey(
        EVP_PKEY** key, const char* form, const char* structure, const char* kind, int selection,
        void* library, const char* query
    )
    int OSSL_DECODER_CTX_set_pem_password_cb(
        OSSL_DECODER_CTX* ctx, password_fn callback, void* arg
    )
    int OSSL_DECODER_from_bio(OSSL_DECODER_CTX* ctx, BIO* bio)
    int OSSL_DECODER_from_data(OSSL_DECODER_CTX* ctx, const unsigned char** at, size_t* left)

cdef extern from "<openssl/rand.h>" nogil:
    int RAND_bytes(unsigned char* into, int n)

cdef extern from "<openssl/crypto.h>" nogil:
    void* OPENSSL_malloc(size_t n)
    void OPENSSL_free(void* p)
    void OPENSSL_clear_free(void* p, size_t n)
    void OPENSSL_cleanse(void* p, size_t n)

cdef extern from "<openssl/safestack.h>" nogil:
    stack_x509* sk_X509_new_null()
    int sk_X509_push(stack_x509* stack, X509* x)
    int sk_X509_num(const stack_x509* stack)
    X509* sk_X509_value(const stack_x509* stack, int i)
    void sk_X509_free(stack_x509* stack)
    void sk_X509_pop_free(stack_x509* stack, void (*free)(X509* x))
    stack_x509* X509_chain_up_ref(stack_x509* chain)
    stack_x509* X509_build_chain(
        X509* target, stack_x509* certs, X509_STORE* store, int with_self_signed, void* library,
        const char* query
    )
    stack_name* sk_X509_NAME_new_null()
    int sk_X509_NAME_push(stack_name* stack, X509_NAME* name)
