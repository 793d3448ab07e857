"""A first look at a ClientHello; see hello.pxd. RFC 8446 sections 4.1.2 and 5.1, RFC 6066."""

from libc.stdint cimport uint8_t
from libc.string cimport memcpy

cdef enum:
    RECORD_HEAD = 5             # type, version, length
    RECORD_HANDSHAKE = 22
    RECORD_MOST = 16384
    MESSAGE_HEAD = 4            # type, length
    CLIENT_HELLO = 1
    EXTENSION_SERVER_NAME = 0
    NAME_IS_HOST = 0


# A part of the message that is still to be read.
cdef struct Rest:
    const uint8_t* p
    size_t n


cdef HelloLook hello_look(const char* p, size_t n, Hello* out) noexcept nogil:
    """Look at the first `n` received bytes; `out` is filled when the hello is whole."""
    cdef uint8_t joined[16384]
    cdef Rest body
    cdef HelloLook found = gather(<const uint8_t*>p, n, joined, &body)
    out.name_n = 0
    if found != HELLO_WHOLE:
        return found
    if not find_name(&body, out):
        return HELLO_NOT
    return HELLO_WHOLE


cdef HelloLook gather(const uint8_t* p, size_t n, uint8_t* joined, Rest* body) noexcept nogil:
    """The message's body: in place when one record holds it, else joined from several."""
    cdef size_t need = 0, have = 0, length, take
    cdef size_t at = 0
    while True:
        if n - at < RECORD_HEAD:
            return more_or_not(p + at, n - at)
        length = p[at + 3] << 8 | p[at + 4]
        if p[at] != RECORD_HANDSHAKE or p[at + 1] != 3 or length == 0 or length > RECORD_MOST:
            return HELLO_NOT
        at += RECORD_HEAD
        take = min(length, n - at)
        if need == 0 and have == 0 and take >= MESSAGE_HEAD:
            need = message_size(p + at)
            if need == 0:
                return HELLO_NOT
            if take >= need:
                body.p, body.n = p + at + MESSAGE_HEAD, need - MESSAGE_HEAD
                return HELLO_WHOLE
        if have + take > HELLO_MOST:
            return HELLO_NOT
        memcpy(joined + have, p + at, take)
        have += take
        if need == 0 and have >= MESSAGE_HEAD:
            need = message_size(joined)
            if need == 0:
                return HELLO_NOT
        if need and have >= need:
            body.p, body.n = joined + MESSAGE_HEAD, need - MESSAGE_HEAD
            return HELLO_WHOLE
        if take < length:
            return HELLO_MORE
        at += take


cdef HelloLook more_or_not(const uint8_t* p, size_t n) noexcept nogil:
    """The beginning of a record's head: is it one of a handshake so far?"""
    if n > 0 and p[0] != RECORD_HANDSHAKE or n > 1 and p[1] != 3:
        return HELLO_NOT
    return HELLO_MORE


cdef size_t message_size(const uint8_t* p) noexcept nogil:
    """Bytes of the message with its head; 0: no ClientHello, or a longer one than we take."""
    cdef size_t n = <size_t>p[1] << 16 | <size_t>p[2] << 8 | p[3]
    if p[0] != CLIENT_HELLO or n + MESSAGE_HEAD > HELLO_MOST:
        return 0
    return n + MESSAGE_HEAD


cdef bint find_name(Rest* body, Hello* out) noexcept nogil:
    """Walk to the server_name extension; False: the message is broken."""
    cdef Rest part, extensions
    cdef int kind
    if not skip(body, 34):                                  # version, random
        return False
    if not vector(body, 1, &part) or not vector(body, 2, &part) or not vector(body, 1, &part):
        return False                                        # session, ciphers, compression
    if body.n == 0:
        return True
    if not vector(body, 2, &extensions) or body.n:
        return False
    while extensions.n:
        kind = number(&extensions, 2)
        if kind < 0 or not vector(&extensions, 2, &part):
            return False
        if kind == EXTENSION_SERVER_NAME:
            return take_name(&part, out)
    return True


cdef bint take_name(Rest* extension, Hello* out) noexcept nogil:
    """The one host name of a server_name extension (RFC 6066 section 3)."""
    cdef Rest names, name
    cdef size_t i
    cdef uint8_t c
    if not vector(extension, 2, &names) or extension.n:
        return False
    if number(&names, 1) != NAME_IS_HOST or not vector(&names, 2, &name) or names.n:
        return False
    if name.n == 0 or name.n > HELLO_NAME_MOST:
        return False
    for i in range(name.n):
        c = name.p[i]
        if c <= 32 or c >= 127:
            return False
        out.name[i] = c + 32 if 65 <= c <= 90 else c
    out.name_n = name.n
    if out.name_n > 1 and out.name[out.name_n - 1] == 46:
        out.name_n -= 1
    out.name[out.name_n] = 0
    return True


# -- reading -----------------------------------------------------------------------------------

cdef bint skip(Rest* r, size_t n) noexcept nogil:
    """Pass over `n` bytes; False: there are fewer."""
    if r.n < n:
        return False
    r.p += n
    r.n -= n
    return True


cdef int number(Rest* r, int width) noexcept nogil:
    """A number of one or two bytes; -1: there is none."""
    cdef const uint8_t* p = r.p
    if not skip(r, width):
        return -1
    return p[0] if width == 1 else p[0] << 8 | p[1]


cdef bint vector(Rest* r, int width, Rest* out) noexcept nogil:
    """Bytes with their length before them."""
    cdef int n = number(r, width)
    if n < 0 or r.n < <size_t>n:
        return False
    out.p, out.n = r.p, n
    r.p += n
    r.n -= n
    return True
