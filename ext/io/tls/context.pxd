"""TlsContext: settings of connections that OpenSSL shares between them, an SSL_CTX.

A connection begins with the context of the name that it asks for, which never changes: nothing is
ever switched on a connection that has begun, and whatever a name demands holds (versions, ciphers,
client certificates, trusted roots).
"""

from fastgw.ext.io.tls.openssl cimport SSL_CTX, X509_STORE


cdef class TlsContext:
    cdef SSL_CTX* ctx
    cdef bytes alpn                   # protocols in OpenSSL's form: length, name, ...
    cdef readonly bint asks           # clients are asked for certificates


cdef TlsContext new_context(dict settings, object files, bint server, TlsContext like)
cdef X509_STORE* system_roots() except NULL
