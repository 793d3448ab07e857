"""A log line's format, compiled; see log_line.pxd."""

cimport cython
from libc.string cimport memchr
from fastgw.ext.base.span cimport span, span_eq
from fastgw.ext.http.names cimport name_id
from fastgw.ext.http.write cimport put, put_decimal, put_span
from fastgw.ext.record.log_text cimport (
    FORM_JSON, FORM_TEXT, LONGEST, NUMBER_BOUND, put_clf, put_escaped, put_iso, put_ms,
    put_seconds, text_bound,
)
from fastgw.ext.record.log_values cimport (
    L_TLS, V_ABSENT, V_CLF, V_ISO, V_NUMBER, V_QUERY, V_REDACTED, V_SECONDS, V_TARGET, V_TEXT, V_US,
    find_value,
)
from fastgw.ext.record.log_options import MOST_PIECES, TLS_FIELDS

cdef enum:
    SHOWN = 16                  # query parameters that may be named
    TAIL_BOUND = 4              # }, newline, and a beginning brace

#: What stands for a value that the log does not show.
cdef const char* _HIDDEN = b"***"
cdef enum:
    HIDDEN_N = 3


cdef inline size_t _bound(const LogValue* v) noexcept nogil:
    """The most that a value needs. Redaction may make a query longer, from `=` to `=***`, but
    never by more than escaping could."""
    if v.kind == V_TEXT:
        return text_bound(v.text) + 2
    if v.kind == V_QUERY or v.kind == V_TARGET:
        return text_bound(v.text) + text_bound(v.more) + 3 + 2
    return NUMBER_BOUND


@cython.final
cdef class LineFormat:
    """See log_line.pxd. `options` is a log_options.LogFormat."""

    def __init__(self, options) -> None:
        assert MOST_PIECES <= 64
        self.form = FORM_JSON if options.json else FORM_TEXT
        self.kept = []
        self.clock.second = -1
        for piece in options.pieces:
            self.add_piece(piece)
        self.show_query = options.shown_query is None
        for name in (options.shown_query or ())[:SHOWN]:
            self.shown[self.shown_n] = self.keep(name)
            self.shown_n += 1

    cdef Span keep(self, bytes text):
        """Bytes that live as long as the format."""
        self.kept.append(text)
        return span(<const char*>text, len(text))

    cdef void add_piece(self, piece):
        cdef LogPiece* p = &self.pieces[self.n]
        p.before = self.keep(piece.before)
        p.field = piece.field
        p.shown = piece.shown
        p.name = self.keep(piece.name)
        if p.field == L_TLS:
            p.id = TLS_FIELDS.index(piece.name.decode())
        else:
            p.id = name_id(p.name.p, p.name.n)
        self.n += 1

    # -- a line ----------------------------------------------------------------------------

    cdef char* put_line(self, char* at, size_t room, Exchange x) noexcept:
        """Write the line of an exchange that ended, newline and all; NULL without room."""
        cdef char* begin = at
        cdef char* end = self.last_of(at, room)
        cdef const LogPiece* piece
        cdef LogValue v
        cdef int i
        for i in range(self.n):
            piece = &self.pieces[i]
            if piece.field >= 0:
                v.text.n = v.more.n = 0
                find_value(&v, piece, x)
            else:
                v.kind = V_ABSENT
            at = self.put_piece(at, end, piece, &v)
            if at == NULL:
                return NULL
        return self.put_end(begin, at)

    cdef char* last_of(self, char* at, size_t room) noexcept:
        """Where pieces must end, so that there is room for the line's end."""
        return at + room - TAIL_BOUND if room >= TAIL_BOUND else at

    cdef char* put_piece(
        self, char* at, char* end, const LogPiece* piece, const LogValue* v
    ) noexcept:
        """A piece's text and value; NULL without room before `end`."""
        if at + piece.before.n + _bound(v) > end:
            return NULL
        if v.kind != V_ABSENT:
            return self.put_value(put_span(at, piece.before), v)
        if self.form == FORM_TEXT:
            at = put_span(at, piece.before)
            at = put(at, b"-", 1) if piece.field >= 0 else at
        return at

    cdef char* put_end(self, char* begin, char* at) noexcept:
        """The first field's comma is the line's opening brace."""
        if self.form == FORM_JSON:
            if at == begin:
                at += 1
            begin[0] = 123
            at = put(at, b"}", 1)
        return put(at, b"\n", 1)

    cdef char* put_value(self, char* at, const LogValue* v) noexcept:
        """A value in the format's form."""
        if v.kind == V_NUMBER:
            return put_decimal(at, v.number)
        if v.kind == V_US:
            return put_ms(at, v.number)
        if v.kind == V_SECONDS:
            return put_seconds(at, v.number)
        if self.form == FORM_JSON:
            at = put(at, b'"', 1)
        if v.kind == V_TEXT:
            if v.text.n == 0 and self.form == FORM_TEXT:
                return put(at, b"-", 1)
            at = put_escaped(at, v.text, self.form)
        elif v.kind == V_ISO:
            at = put_iso(at, &self.clock, v.number)
        elif v.kind == V_CLF:
            at = put_clf(at, &self.clock, v.number)
        elif v.kind == V_QUERY:
            at = self.put_query(at, v.text)
        elif v.kind == V_TARGET:
            at = self.put_target(at, v)
        elif v.kind == V_REDACTED:
            at = put(at, _HIDDEN, HIDDEN_N)
        return put(at, b'"', 1) if self.form == FORM_JSON else at

    # -- queries ---------------------------------------------------------------------------

    cdef char* put_target(self, char* at, const LogValue* v) noexcept:
        """A path, and its query if there is one."""
        at = put_escaped(at, v.text, self.form)
        if v.more.p == NULL:
            return at
        return self.put_query(put(at, b"?", 1), v.more)

    cdef char* put_query(self, char* at, Span query) noexcept:
        """name=value pairs, the values hidden unless they are shown; what has no name is
        hidden whole, since it may be a value. Cut off at LONGEST."""
        cdef const char* end = query.p + min(query.n, <size_t>LONGEST)
        cdef const char* p = query.p
        cdef const char* stop
        cdef const char* equals
        cdef Span name
        if self.show_query:
            return put_escaped(at, query, self.form)
        while p < end:
            stop = <const char*>memchr(p, 38, end - p)
            if stop == NULL:
                stop = end
            equals = <const char*>memchr(p, 61, stop - p)
            name = span(p, equals - p if equals != NULL else 0)
            if stop == p or (equals != NULL and self.is_shown(name)):
                at = put_escaped(at, span(p, stop - p), self.form)
            else:
                at = put_escaped(at, name, self.form)
                at = put(at, b"=", 1) if equals != NULL else at
                at = put(at, _HIDDEN, HIDDEN_N)
            if stop < end:
                at = put(at, b"&", 1)
            p = stop + 1
        return at

    cdef bint is_shown(self, Span name) noexcept:
        """Whether a query parameter's value may stand in the log."""
        cdef int i
        for i in range(self.shown_n):
            if span_eq(self.shown[i], name):
                return True
        return False
