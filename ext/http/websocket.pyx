"""The opening handshake of WebSocket; see websocket.pxd."""

from libc.stdint cimport uint32_t
from binascii import b2a_base64
from hashlib import sha1
from fastgw.ext.base.reasons cimport (
    REASON_NONE, REASON_WEBSOCKET_HANDSHAKE, REASON_WEBSOCKET_VERSION,
)
from fastgw.ext.base.span cimport span, span_eq_fold
from fastgw.ext.http.head cimport (
    BODY_NONE, F_HIDDEN, F_REMOVAL, Field, H_UPGRADE, M_GET, fields_find,
)
from fastgw.ext.http.names cimport (
    NAME_SEC_WEBSOCKET_ACCEPT, NAME_SEC_WEBSOCKET_KEY, NAME_SEC_WEBSOCKET_VERSION, NAME_UPGRADE,
    NameId,
)

cdef enum:
    KEY_BYTES = 24              # 16 bytes in base64
    ACCEPT_BYTES = 28           # a SHA-1 in base64

#: What a server appends to the key before it hashes it (RFC 6455 section 1.3).
cdef bytes _GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


cdef Field* _only(Fields* t, NameId id) noexcept:
    """The one visible row of a name; NULL when there is none, or more than one.

    Upgrade is hop-by-hop, so the row may be flagged as one that doesn't cross the gateway."""
    cdef Field* found = NULL
    cdef uint32_t i
    for i in range(t.n):
        if t.rows[i].id == id and not t.rows[i].flags & (F_HIDDEN | F_REMOVAL):
            if found != NULL:
                return NULL
            found = &t.rows[i]
    return found


cdef bint _names_websocket(Fields* t) noexcept:
    """Whether Upgrade stands there once and names websocket alone, in any case."""
    cdef Field* f = _only(t, NAME_UPGRADE)
    return f != NULL and span_eq_fold(span(f.value, f.value_n), span(b"websocket", 9))


cdef bint asks_for_websocket(RequestHead* head) noexcept:
    """See websocket.pxd. Upgrade is an allow-list of one: `h2c` and unknown tokens would let a
    client speak past the gateway's rules."""
    return head.flags & H_UPGRADE and head.method_id == M_GET and _names_websocket(&head.fields)


cdef bint _is_key(const Field* f) noexcept:
    """Base64 of 16 bytes: 22 digits, of which the last has four bits to spare, and "=="."""
    cdef uint32_t i
    cdef char c
    if f == NULL or f.value_n != KEY_BYTES or f.value[22] != 61 or f.value[23] != 61:
        return False
    for i in range(22):
        c = f.value[i]
        if not (48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c == 43 or c == 47):
            return False
    return True


cdef Reason check_handshake(RequestHead* head) noexcept:
    """See websocket.pxd (RFC 6455 sections 4.1 and 4.2.1)."""
    cdef Field* version = _only(&head.fields, NAME_SEC_WEBSOCKET_VERSION)
    if head.framing != BODY_NONE or not _is_key(_only(&head.fields, NAME_SEC_WEBSOCKET_KEY)):
        return REASON_WEBSOCKET_HANDSHAKE
    if version == NULL:
        return REASON_WEBSOCKET_HANDSHAKE
    if version.value_n != 2 or version.value[0] != 49 or version.value[1] != 51:
        return REASON_WEBSOCKET_VERSION
    return REASON_NONE


cdef bint agrees_to_websocket(Fields* asked, Fields* answer) noexcept:
    """See websocket.pxd (RFC 6455 section 4.1; RFC 9110 section 7.8). Once for each tunnel, so
    the hash may cost a call."""
    cdef Field* key = fields_find(asked, NAME_SEC_WEBSOCKET_KEY)
    cdef Field* accept = _only(answer, NAME_SEC_WEBSOCKET_ACCEPT)
    if key == NULL or accept == NULL or accept.value_n != ACCEPT_BYTES:
        return False
    if not _names_websocket(answer):
        return False
    try:
        digest = sha1(key.value[:key.value_n] + _GUID, usedforsecurity=False).digest()
        return accept.value[:ACCEPT_BYTES] == b2a_base64(digest, newline=False)
    except Exception:
        return False
