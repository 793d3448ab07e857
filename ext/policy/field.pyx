"""Field names and values; see field.pxd."""

from fastgw.ext.base.arena cimport arena_copy
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.http.head cimport fields_append
from fastgw.ext.http.names cimport (
    NAME_CONNECTION, NAME_CONTENT_LENGTH, NAME_EXPECT, NAME_HOST, NAME_HTTP2_SETTINGS,
    NAME_KEEP_ALIVE, NAME_OTHER, NAME_PROXY_AUTHENTICATE, NAME_PROXY_AUTHORIZATION,
    NAME_PROXY_CONNECTION, NAME_TE, NAME_TRAILER, NAME_TRANSFER_ENCODING, NAME_UPGRADE, name_id,
)

#: What a token is made of (RFC 9110 section 5.6.2).
TOKEN = frozenset(
    b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)
#: Names that only the codecs write, and Host, which the upstream's `host:` decides.
RESERVED = frozenset((
    NAME_CONNECTION, NAME_CONTENT_LENGTH, NAME_EXPECT, NAME_HOST, NAME_HTTP2_SETTINGS,
    NAME_KEEP_ALIVE, NAME_PROXY_AUTHENTICATE, NAME_PROXY_AUTHORIZATION, NAME_PROXY_CONNECTION,
    NAME_TE, NAME_TRAILER, NAME_TRANSFER_ENCODING, NAME_UPGRADE,
))
#: Longest name that is taken; codecs' limits are of this order.
NAME_LIMIT = 256


cdef class FieldName:
    """See field.pxd."""

    cdef Span text_span(self) noexcept:
        """The name as it is written."""
        return span(<const char*>self.text, len(self.text))

    cdef Span lowered_span(self) noexcept:
        """The name in lower case."""
        return span(<const char*>self.lowered, len(self.lowered))


cdef bytes _token(object name):
    """The bytes of a token; ValueError for anything else."""
    cdef bytes text
    if not isinstance(name, str) or not name:
        raise ValueError(f"{name!r} is not a header name")
    try:
        text = (<str>name).encode("ascii")
    except UnicodeEncodeError:
        raise ValueError(f"{name!r} is not a header name: only ASCII letters, digits and "
                         "!#$%&'*+-.^_`|~ may stand in one") from None
    if len(text) > NAME_LIMIT:
        raise ValueError(f"a header name of {len(text)} bytes is too long")
    if not TOKEN.issuperset(text):
        raise ValueError(f"{name!r} is not a header name: only ASCII letters, digits and "
                         "!#$%&'*+-.^_`|~ may stand in one")
    return text


def parse_name(name: str) -> FieldName:
    """A name to be written or removed; ValueError for no token or a reserved name."""
    cdef FieldName f = read_name(name)
    if f.id == NAME_HOST:
        raise ValueError("Host is not a header to edit: the upstream's `host:` decides it")
    if f.id in RESERVED:
        raise ValueError(f"{name} belongs to the connection, not to the message: "
                         "it can't be edited")
    return f


def read_name(name: str) -> FieldName:
    """A name to look for; ValueError when it is no token."""
    cdef FieldName f = FieldName.__new__(FieldName)
    f.text = _token(name)
    f.lowered = f.text.lower()
    f.id = name_id(<const char*>f.text, len(f.text))
    return f


def parse_value(value: str | bytes) -> bytes:
    """The bytes of a field value: text is latin-1, ends are trimmed, controls refused."""
    cdef bytes text
    if isinstance(value, str):
        try:
            text = (<str>value).encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError("a header value must be latin-1 text; encode other text "
                             "to bytes first") from None
    elif isinstance(value, bytes):
        text = value
    else:
        raise TypeError(f"a header value is str or bytes, not {type(value).__name__}")
    text = text.strip(b" \t")
    if not is_clean(<const char*>text, len(text)):
        raise ValueError("a header value can't hold CR, LF, NUL or other control bytes")
    return text


cdef bint append_copy(Fields* t, Exchange x, bytes name, bytes value) except False:
    """Append copies of a checked name and value; MemoryError when there is no memory."""
    cdef Span n = arena_copy(&x.arena, <const char*>name, len(name))
    cdef Span v = arena_copy(&x.arena, <const char*>value, len(value))
    cdef NameId id = name_id(<const char*>name, len(name))
    if n.p == NULL or v.p == NULL or fields_append(t, &x.arena, id, n, v) == NULL:
        raise MemoryError("no buffer memory for a header")
    return True
