"""The opening handshake of WebSocket (RFC 6455 section 4), as a gateway has to check it.

Both sides are held to it: a request that is no handshake opens no tunnel, and a 101 counts
only with the one Sec-WebSocket-Accept that answers this request's key. A cache, or a server
that knows nothing of WebSocket, can't make that up.
"""

from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.http.head cimport Fields, RequestHead


# Whether the head asks for WebSocket and for nothing else (Upgrade: websocket, once).
cdef bint asks_for_websocket(RequestHead* head) noexcept
# REASON_NONE for a right handshake; WEBSOCKET_VERSION for one of another version than 13.
cdef Reason check_handshake(RequestHead* head) noexcept
# Whether the fields of a 101 agree to the handshake that `asked` are the fields of.
cdef bint agrees_to_websocket(Fields* asked, Fields* answer) noexcept
