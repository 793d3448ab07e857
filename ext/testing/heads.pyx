"""Heads from and to Python values; see heads.pxd."""

from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset
from fastgw.ext.base.arena cimport arena_copy
from fastgw.ext.base.reasons cimport REASONS, reason_row
from fastgw.ext.base.span cimport span
from fastgw.ext.http.head cimport (
    F_HIDDEN, F_REMOVAL, M_DELETE, M_GET, M_HEAD, M_OPTIONS, M_OTHER, M_PATCH, M_POST, M_PUT,
    Field, MethodId, fields_append,
)
from fastgw.ext.http.names cimport name_id

#: The methods that the fakes know by id.
METHODS: dict[str, int] = {
    "GET": M_GET, "HEAD": M_HEAD, "POST": M_POST, "PUT": M_PUT, "DELETE": M_DELETE,
    "OPTIONS": M_OPTIONS, "PATCH": M_PATCH,
}


cdef Span put_text(Arena* a, object text) except *:
    """A copy of a str (latin-1) or bytes in the arena."""
    cdef bytes raw = text.encode("latin-1") if isinstance(text, str) else bytes(text)
    cdef Span s = arena_copy(a, raw, len(raw))
    if s.p == NULL:
        raise MemoryError
    return s


cdef bint put_fields(Fields* t, Arena* a, object pairs) except -1:
    """Append (name, value) pairs as received fields."""
    cdef Span name, value
    cdef Field* f
    for pair in pairs:
        name = put_text(a, pair[0])
        value = put_text(a, pair[1])
        f = fields_append(t, a, name_id(name.p, name.n), name, value)
        if f == NULL:
            raise MemoryError
        f.flags = 0
    return True


cdef list get_fields(Fields* t):
    """The visible rows as (name, value) pairs."""
    cdef uint32_t i
    cdef Field* f
    cdef list out = []
    for i in range(t.n):
        f = &t.rows[i]
        if not f.flags & (F_HIDDEN | F_REMOVAL):
            out.append((
                f.name[:f.name_n].decode("latin-1"), f.value[:f.value_n].decode("latin-1")
            ))
    return out


cdef bint fill_request(Exchange x, str method, str target, object pairs) except -1:
    """Make `x.request` as a codec would, without the checks."""
    path, mark, query = target.partition("?")
    memset(&x.request, 0, sizeof(x.request))
    x.request.method = put_text(&x.arena, method)
    x.request.method_id = <MethodId><int>METHODS.get(method, M_OTHER)
    x.request.raw_target = put_text(&x.arena, target)
    x.request.path = put_text(&x.arena, path)
    x.request.query = put_text(&x.arena, query) if mark else span(NULL, 0)
    x.request.authority = x.request.host = put_text(&x.arena, "test.example")
    x.request.scheme = put_text(&x.arena, "http")
    x.request.minor = 1
    return put_fields(&x.request.fields, &x.arena, pairs)


cdef Reason reason_of(str name) except *:
    """The reason of a name of reasons.toml."""
    cdef int i
    for i in range(<int>REASONS):
        if reason_row(i).name.decode("ascii") == name:
            return <Reason>i
    raise ValueError(f"no reason is called {name}")


cdef str reason_name(int reason):
    return reason_row(reason).name.decode("ascii")


cdef bint make_chunk(Chunk* c, bytes data, BufferPool pool, bint counted) except -1:
    """A chunk over `data`: lent (the bytes object must live on), or in a counted buffer."""
    c.p, c.n, c.owner = data, len(data), NULL
    if counted and len(data):
        c.owner = pool.take(len(data))
        if c.owner == NULL:
            raise MemoryError
        memcpy(c.owner.data, <const char*>data, len(data))
        c.p = c.owner.data
    return True
