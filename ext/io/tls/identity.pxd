"""What upper layers may know of a TLS connection: its name, version, and whose certificate the
client has shown. Texts of certificates are made when first asked for, once a connection.
"""

from libc.stddef cimport size_t
from fastgw.ext.base.span cimport Span
from fastgw.ext.io.stream cimport Facts


cdef enum TlsText:
    TLS_NAME                    # server_name, lower case
    TLS_VERSION                 # TLSv1.3
    TLS_CIPHER                  # TLS_AES_128_GCM_SHA256
    TLS_SUBJECT                 # of the client's certificate, from here on: CN=a,O=b (RFC 2253)
    TLS_ISSUER
    TLS_FINGERPRINT             # SHA-256 in hex
    TLS_NAMES                   # alternative names: dns:a.example,uri:spiffe://b
    TLS_CERT                    # :base64 of its DER: (RFC 9440)
    TLS_CHAIN                   # the authorities' behind it, likewise, comma and space between
    TLS_TEXTS


cdef Span tls_text(const Facts* facts, TlsText what) noexcept
cdef bint tls_directed(const Facts* facts, const char* host, size_t n) noexcept
