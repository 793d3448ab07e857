"""Moving parsed heads; see keep.pxd.

The bytes are copied in one piece and every slice is moved by the same distance. Slices that
point elsewhere (a normalised path, a host in lower case) are copied one by one.
"""

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint32_t
from libc.string cimport memcpy
from fastgw.ext.base.arena cimport arena_alloc, arena_copy
from fastgw.ext.base.span cimport Span
from fastgw.ext.http.head cimport Field

cdef enum:
    SPARE_ROWS = 12             # for fields that are added later


cdef bint _move_rows(Fields* t, Arena* arena, ptrdiff_t by) noexcept:
    """Copy the rows into the arena and move their slices; False without memory."""
    cdef uint32_t i
    cdef Field* rows = <Field*>arena_alloc(arena, (t.n + SPARE_ROWS) * sizeof(Field))
    if rows == NULL:
        return False
    memcpy(rows, t.rows, t.n * sizeof(Field))
    for i in range(t.n):
        rows[i].name += by
        rows[i].value += by
    t.rows = rows
    t.cap = t.n + SPARE_ROWS
    return True


cdef bint _move(Span* s, Arena* arena, const char* p, size_t n, ptrdiff_t by) noexcept:
    """Move one slice of [p, p+n); copy it when it stands elsewhere."""
    if s.p == NULL:
        return True
    if p <= s.p <= p + n:
        s.p += by
        return True
    s[0] = arena_copy(arena, s.p, s.n)
    return s.p != NULL


cdef Fields* keep_trailers(const Fields* trailers, Arena* arena) noexcept:
    """A copy of a table that is not empty, with the bytes it needs; NULL without memory."""
    cdef const Field* first = &trailers.rows[0]
    cdef const Field* last = &trailers.rows[trailers.n - 1]
    cdef size_t n = last.value + last.value_n - first.name
    cdef Fields* kept = <Fields*>arena_alloc(arena, sizeof(Fields))
    cdef char* copy = <char*>arena_alloc(arena, n)
    if kept == NULL or copy == NULL:
        return NULL
    memcpy(copy, first.name, n)
    kept[0] = trailers[0]
    return kept if _move_rows(kept, arena, copy - first.name) else NULL


cdef bint keep_request(RequestHead* head, Arena* arena, const char* p, size_t n) noexcept:
    """Move a head parsed from [p, p+n); False without memory."""
    cdef char* copy = <char*>arena_alloc(arena, n)
    cdef ptrdiff_t by = copy - p
    if copy == NULL:
        return False
    memcpy(copy, p, n)
    return (
        _move_rows(&head.fields, arena, by)
        and _move(&head.method, arena, p, n, by)
        and _move(&head.raw_target, arena, p, n, by)
        and _move(&head.path, arena, p, n, by)
        and _move(&head.query, arena, p, n, by)
        and _move(&head.authority, arena, p, n, by)
        and _move(&head.host, arena, p, n, by)
    )


cdef bint keep_response(ResponseHead* head, Arena* arena, const char* p, size_t n) noexcept:
    """Move a head parsed from [p, p+n); False without memory."""
    cdef char* copy = <char*>arena_alloc(arena, n)
    cdef ptrdiff_t by = copy - p
    if copy == NULL:
        return False
    memcpy(copy, p, n)
    return _move_rows(&head.fields, arena, by) and _move(&head.reason, arena, p, n, by)
