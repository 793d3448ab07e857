"""Parameters; see parameters.pxd."""

from libc.string cimport memchr, memcmp
from fastgw.ext.base.span cimport span
from fastgw.ext.route.matcher cimport matcher_pattern, matcher_text
from fastgw.ext.route.plan cimport (
    CAPTURE_GROUP, CAPTURE_REST, NOTHING, CaptureRow, ExtraRow,
)
from fastgw.ext.route.regex cimport MAX_GROUPS, Part, re_find


cdef Span path_parameter(
    const Matcher* m, uint32_t extra, Span path, Span name
) noexcept nogil:
    cdef const ExtraRow* row
    cdef const CaptureRow* capture
    cdef Span known
    cdef uint32_t i
    if extra == NOTHING:
        return span(NULL, 0)
    row = &m.extras[extra]
    for i in range(row.captures_n):
        capture = &m.captures[row.captures + i]
        known = matcher_text(m, capture.name)
        if known.n == name.n and memcmp(known.p, name.p, name.n) == 0:
            if capture.kind == CAPTURE_GROUP:
                return _group(m, row, capture.at, path)
            return _segment(path, capture.at, capture.kind == CAPTURE_REST)
    return span(NULL, 0)


cdef Span _segment(Span path, uint32_t at, bint rest) noexcept nogil:
    """The segment number `at` of a path, or all from it on."""
    cdef const char* p = path.p
    cdef const char* end = path.p + path.n
    cdef const char* slash
    while p < end:
        slash = <const char*>memchr(p + 1, 47, end - p - 1)
        if slash == NULL:
            slash = end
        if at == 0:
            return span(p + 1, (end if rest else slash) - p - 1)
        at -= 1
        p = slash
    return span(NULL, 0)


cdef Span _group(const Matcher* m, const ExtraRow* row, uint32_t at, Span path) noexcept nogil:
    """What a group of the path's regex took."""
    cdef Part parts[MAX_GROUPS + 1]
    cdef void* pattern = NULL
    if row.regex != NOTHING:
        pattern = matcher_pattern(m, row.regex)
    parts[at].p, parts[at].n = NULL, 0
    if pattern == NULL or not re_find(pattern, path, True, parts, at + 1):
        return span(NULL, 0)
    return span(parts[at].p, parts[at].n)
