"""TlsContext: settings of connections that OpenSSL shares between them, an SSL_CTX.

There is one for each distinct set of settings, not for each name: a name's certificates are
given to the single connection. So nothing is ever switched on a connection that has begun,
and whatever a name demands holds (versions, ciphers, client certificates, trusted roots).
"""

from fastgw.ext.io.tls.openssl cimport SSL_CTX, X509_STORE


cdef class TlsContext:
    cdef SSL_CTX* ctx
    cdef bytes alpn                   # protocols in OpenSSL's form: length, name, ...
    cdef readonly bint asks           # clients are asked for certificates


cdef TlsContext new_context(dict settings, object files, bint server)
cdef X509_STORE* system_roots() except NULL
