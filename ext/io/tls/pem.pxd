"""PEM files read with OpenSSL: certificates, chains, keys, revocation lists; errors in words.

Every function raises TlsFileError with a text that says what is wrong with the content; who
knows the file's name puts it before.
"""

from fastgw.ext.io.tls.openssl cimport (
    EVP_PKEY, X509, X509_NAME, X509_STORE, stack_general, stack_x509,
)


cdef str last_error(str otherwise)
cdef list read_chain(bytes pem)
cdef EVP_PKEY* read_key(bytes pem) except NULL
cdef unsigned char* read_key_info(bytes pem, long* n) except? NULL
cdef int fill_store(X509_STORE* store, bytes cas, bytes crls) except -1
cdef str name_text(const X509* x, bint issuer)
cdef str name_as_text(const X509_NAME* name)
cdef list alt_names(const X509* x)
cdef list general_names(stack_general* names)
cdef list read_blocks(bytes pem)


cdef class Cert:
    """An X509 with an owner."""
    cdef X509* x


cdef Cert own(X509* x)
cdef void free_chain(stack_x509* chain) noexcept
cdef stack_x509* chain_stack(list chain) except? NULL
