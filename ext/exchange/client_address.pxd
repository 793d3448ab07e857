"""Who the client is when trusted proxies stand between: decided once for each request, before
it is routed, and the address for policies, limits, hashing, forwarding and the log.

The peer of the connection (or whom its PROXY header names) is the client unless it is in
trusted_proxies. Then its list of hops is walked from the right: while an entry is a trusted
proxy the next one counts; an entry that is no address stops the walk where it is. What
untrusted clients write is thus never reached.
"""

from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.http.names cimport NameId


cdef enum ClientSource:
    FROM_LISTS                  # X-Forwarded-For, or Forwarded where there is none
    FROM_X_FORWARDED_FOR
    FROM_FORWARDED              # RFC 7239
    FROM_FIELD                  # one address in a field of a CDN's own


cdef class ClientField:
    """Which field of a listener's requests names the client."""
    cdef ClientSource source
    cdef NameId id                    # with FROM_FIELD
    cdef readonly bytes lowered


cdef ClientField client_field(Exchange x)
cdef void take_client(Exchange x) noexcept
