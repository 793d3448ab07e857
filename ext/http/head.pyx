"""Operations on tables of fields; see head.pxd."""

from libc.string cimport memcpy
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.span cimport span, span_eq_fold
from fastgw.ext.http.names cimport NAME_OTHER


cdef Field* fields_find(Fields* t, NameId id) noexcept nogil:
    """The first visible row of a well-known name, or NULL."""
    cdef uint32_t i
    if id < 64 and not t.seen & (<uint64_t>1 << <int>id):
        return NULL
    for i in range(t.n):
        if t.rows[i].id == id and not t.rows[i].flags & (F_HIDDEN | F_REMOVAL):
            return &t.rows[i]
    return NULL


cdef Field* fields_find_name(Fields* t, Span lowered_name) noexcept nogil:
    """The first visible row of any name, given in lower case, or NULL."""
    cdef uint32_t i
    cdef Field* f
    for i in range(t.n):
        f = &t.rows[i]
        if not f.flags & (F_HIDDEN | F_REMOVAL) and span_eq_fold(
            span(f.name, f.name_n), lowered_name
        ):
            return f
    return NULL


cdef Field* fields_next(Fields* t, Field* after) noexcept nogil:
    """The next visible row with the same name as `after`, or NULL."""
    cdef Field* f = after + 1
    cdef Field* end = t.rows + t.n
    while f < end:
        if f.id == after.id and not f.flags & (F_HIDDEN | F_REMOVAL) and (
            f.id != NAME_OTHER or same_name(f, after)
        ):
            return f
        f += 1
    return NULL


cdef bint same_name(const Field* a, const Field* b) noexcept nogil:
    """Whether two rows have the same name but for ASCII case."""
    cdef uint32_t i
    cdef unsigned char x, y
    if a.name_n != b.name_n:
        return False
    for i in range(a.name_n):
        x, y = a.name[i], b.name[i]
        if x != y and ((x | 32) != (y | 32) or not 97 <= (x | 32) <= 122):
            return False
    return True


cdef bint _grow(Fields* t, Arena* a, uint32_t want) noexcept:
    """Make room for `want` rows in all."""
    cdef Field* rows
    cdef uint32_t cap = max(want, t.cap * 2, 8)
    rows = <Field*>arena_alloc(a, cap * sizeof(Field))
    if rows == NULL:
        return False
    if t.n:
        memcpy(rows, t.rows, t.n * sizeof(Field))
    t.rows = rows
    t.cap = cap
    return True


cdef Field* fields_append(Fields* t, Arena* a, NameId id, Span name, Span value) noexcept:
    """Append a row of the gateway's own; NULL without memory. Name and value are not copied."""
    cdef Field* f
    if t.n >= t.cap and not _grow(t, a, t.n + 1):
        return NULL
    f = &t.rows[t.n]
    t.n += 1
    f.id = id
    f.flags = F_OWN
    f.name, f.name_n = name.p, name.n
    f.value, f.value_n = value.p, value.n
    f.reserved = 0
    if id < 64:
        t.seen |= <uint64_t>1 << <int>id
    return f


cdef bint fields_hide(Fields* t, Arena* a, Field* row) noexcept:
    """Remove one row by a row that can be cut away again."""
    cdef uint32_t index = row - t.rows
    cdef Field* removal
    removal = fields_append(t, a, NAME_OTHER, span(NULL, 0), span(NULL, 0))
    if removal == NULL:
        return False
    removal.flags = F_REMOVAL
    removal.value_n = index
    t.rows[index].flags |= F_HIDDEN
    return True


cdef uint32_t fields_remove(Fields* t, Arena* a, NameId id, Span lowered_name) noexcept:
    """Remove every row of a name; how many there were."""
    cdef uint32_t removed = 0
    cdef Field* f
    while True:
        f = fields_find(t, id) if id != NAME_OTHER else fields_find_name(t, lowered_name)
        if f == NULL or not fields_hide(t, a, f):
            return removed
        removed += 1


cdef Field* fields_set(Fields* t, Arena* a, NameId id, Span name, Span value) noexcept:
    """Remove every row of a name and append one; `name` must be lower case if it is not
    well known."""
    fields_remove(t, a, id, name)
    return fields_append(t, a, id, name, value)


cdef void fields_cut(Fields* t, uint32_t mark) noexcept:
    """Undo every edit since the table had `mark` rows."""
    cdef Field* f
    while t.n > mark:
        t.n -= 1
        f = &t.rows[t.n]
        if f.flags & F_REMOVAL:
            t.rows[f.value_n].flags &= ~F_HIDDEN


cdef bint fields_copy(Fields* t, Arena* a, const Fields* source) noexcept:
    """Append copies of another table's rows (not of the bytes they point to)."""
    if source.n == 0:
        return True
    if t.n + source.n > t.cap and not _grow(t, a, t.n + source.n + 8):
        return False
    memcpy(t.rows + t.n, source.rows, source.n * sizeof(Field))
    t.n += source.n
    t.seen |= source.seen
    return True
