"""Field names and values; see field.pxd."""

from fastgw.ext.base.arena cimport arena_copy
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.http.head cimport fields_append
from fastgw.ext.http.names cimport NameId, name_id
from fastgw.fields import check_name, check_token, check_value


cdef class FieldName:
    """See field.pxd."""

    cdef Span text_span(self) noexcept:
        """The name as it is written."""
        return span(<const char*>self.text, len(self.text))

    cdef Span lowered_span(self) noexcept:
        """The name in lower case."""
        return span(<const char*>self.lowered, len(self.lowered))


cdef FieldName _named(str name):
    """A checked token."""
    cdef FieldName f = FieldName.__new__(FieldName)
    f.text = name.encode("ascii")
    f.lowered = f.text.lower()
    f.id = name_id(<const char*>f.text, len(f.text))
    return f


def parse_name(name: object) -> FieldName:
    """A name to be written or removed; ValueError for no token or a reserved name."""
    return _named(check_name(name))


def read_name(name: object) -> FieldName:
    """A name to look for; ValueError when it is no token."""
    return _named(check_token(name))


def parse_value(value: object) -> bytes:
    """The bytes of a field value; ValueError for what no value may hold."""
    return check_value(value)


cdef bint append_copy(Fields* t, Exchange x, bytes name, bytes value) except False:
    """Append copies of a checked name and value; MemoryError when there is no memory."""
    cdef Span n = arena_copy(&x.arena, <const char*>name, len(name))
    cdef Span v = arena_copy(&x.arena, <const char*>value, len(value))
    cdef NameId id = name_id(<const char*>name, len(name))
    if n.p == NULL or v.p == NULL or fields_append(t, &x.arena, id, n, v) == NULL:
        raise MemoryError("no buffer memory for a header")
    return True
