"""Rewriting; see rewriting.pxd."""

from libc.stddef cimport size_t
from libc.string cimport memcmp, memcpy
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.reasons cimport REASON_MEMORY, REASON_NONE
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.http.head cimport F_OWN, Field, fields_append, fields_find, fields_remove
from fastgw.ext.http.names cimport NAME_X_FORWARDED_PREFIX
from fastgw.ext.policy.path_rewriter cimport PathRewriter
from fastgw.ext.route.plan cimport NOTHING, REWRITE_TELL, RewriteRow
from fastgw.ext.route.snapshot cimport Snapshot, plan_text


cdef inline bint _is_below(Span path, Span front) noexcept:
    """Whether a path begins with the segments of `front`."""
    return path.n >= front.n and memcmp(path.p, front.p, front.n) == 0 and (
        path.n == front.n or path.p[front.n] == 47
    )


cdef const RewriteRow* _row(Exchange x) noexcept:
    """The rewrite of the exchange's route; NULL when its path goes as it is."""
    if x.route.rewrite < 0 or x.request.path.n == 0 or x.request.path.p[0] != 47:
        return NULL
    return &(<Snapshot>x.snapshot).rewrites[x.route.rewrite]


cdef Reason rewrite_path(Exchange x) noexcept:
    cdef const RewriteRow* row = _row(x)
    cdef Snapshot s = <Snapshot>x.snapshot
    cdef Span path = x.request.path
    x.forward_path = path
    if row == NULL:
        return REASON_NONE
    if row.object != NOTHING:
        return (<PathRewriter>s.things[row.object]).rewrite(x, &x.forward_path)
    return _replace_front(x, plan_text(s, row.strip), plan_text(s, row.prefix))


cdef Reason _replace_front(Exchange x, Span strip, Span prefix) noexcept:
    """Put `prefix` in the place of `strip`; a path that is not below it stays."""
    cdef Span path = x.request.path
    cdef size_t kept, slash
    cdef char* p
    if not _is_below(path, strip):
        return REASON_NONE
    kept = path.n - strip.n
    slash = prefix.n == 0 and kept == 0
    p = <char*>arena_alloc(&x.arena, prefix.n + slash + kept + 1)
    if p == NULL:
        return REASON_MEMORY
    p[0] = 47
    memcpy(p + slash, prefix.p, prefix.n)
    memcpy(p + slash + prefix.n, path.p + strip.n, kept)
    x.forward_path = span(p, slash + prefix.n + kept)
    return REASON_NONE


cdef bint tell_prefix(Exchange x) noexcept:
    """What was taken off, behind what a trusted peer took off before."""
    cdef const RewriteRow* row = _row(x)
    cdef Field* f
    cdef Span strip, before = span(NULL, 0)
    cdef char* p
    if row == NULL or not row.flags & REWRITE_TELL:
        return True
    strip = plan_text(<Snapshot>x.snapshot, row.strip)
    f = fields_find(&x.request.fields, NAME_X_FORWARDED_PREFIX) if x.trusted else NULL
    if f != NULL:
        before = span(f.value, f.value_n)
        while before.n and before.p[before.n - 1] == 47:
            before.n -= 1
    p = <char*>arena_alloc(&x.arena, before.n + strip.n + 1)
    if p == NULL:
        return False
    if before.n:
        memcpy(p, before.p, before.n)
    memcpy(p + before.n, strip.p, strip.n)
    fields_remove(&x.request.fields, &x.arena, NAME_X_FORWARDED_PREFIX, span(NULL, 0))
    f = fields_append(
        &x.request.fields, &x.arena, NAME_X_FORWARDED_PREFIX, span(b"X-Forwarded-Prefix", 18),
        span(p, before.n + strip.n),
    )
    if f == NULL:
        return False
    f.flags |= F_OWN
    return True
