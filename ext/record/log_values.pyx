"""What a log line can say of an exchange; see log_values.pxd."""

from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.string cimport memchr, strlen
from fastgw.ext.base.reasons cimport ReasonRow, decider_name, reason_row
from fastgw.ext.base.span cimport span
from fastgw.ext.exchange.shared cimport Shared
from fastgw.ext.exchange.waiting cimport waiting_name
from fastgw.ext.http.head cimport Field, Fields, fields_find, fields_find_name
from fastgw.ext.http.names cimport NAME_OTHER, NAME_REFERER, NameId
from fastgw.ext.io.stream cimport Address, Facts
from fastgw.ext.io.tls.identity cimport TLS_TEXTS, TlsText, tls_text
from fastgw.ext.record.log_options import FIELDS, TLS_FIELDS
from fastgw.ext.upstream.contract cimport Endpoint

assert len(FIELDS) == LOG_FIELDS, "log_options.FIELDS and LogField differ"
assert len(TLS_FIELDS) == TLS_TEXTS, "log_options.TLS_FIELDS and TlsText differ"


cdef void find_time(LogValue* v, int field, Shared shared) noexcept:
    """Now."""
    cdef ValueKind kind = V_ISO
    if field == L_TIME_CLF:
        kind = V_CLF
    elif field == L_TIME_S:
        kind = V_SECONDS
    set_number(v, kind, shared.unix_ms())


cdef void find_client(LogValue* v, int field, const Facts* facts) noexcept:
    """Nothing for exchanges that have no client."""
    cdef const Address* a
    if facts == NULL:
        return
    a = &facts.peer if field == L_PEER else &facts.client
    if field != L_CLIENT_PORT:
        some_text(v, a.text, a.text_n)
    elif a.port:
        set_number(v, V_NUMBER, a.port)


cdef void _of_head(LogValue* v, int field, Exchange x) noexcept:
    """What the request's head says; a refused one may say little."""
    if field == L_METHOD:
        always_text(v, x.request.method.p, x.request.method.n)
    elif field == L_SCHEME:
        always_text(v, x.request.scheme.p, x.request.scheme.n)
    elif field == L_HOST:
        always_text(v, x.request.host.p, x.request.host.n)
    elif field == L_PATH:
        always_text(v, x.request.path.p, x.request.path.n)
    elif field == L_PROTOCOL:
        always_text(v, b"HTTP/1.0" if x.request.minor == 0 else b"HTTP/1.1", 8)
    elif x.request.query.p != NULL and field == L_QUERY:
        v.kind = V_QUERY
        v.text = x.request.query
    elif x.request.path.n and field == L_TARGET:
        v.kind = V_TARGET
        v.text = x.request.path
        v.more = x.request.query


cdef void _ending(LogValue* v, int field, Exchange x) noexcept:
    """How it ended and who said so."""
    cdef const ReasonRow* row
    cdef const char* name
    if field == L_STATUS:
        set_number(v, V_NUMBER, x.response.status)
    elif field == L_REASON:
        row = reason_row(x.reason)
        always_text(v, row.name, row.name_n if x.reason else 0)
    else:
        name = decider_name(x.decided_by) if field == L_DECIDED_BY else waiting_name(x.waiting_on)
        always_text(v, name, strlen(name))


cdef void _way(LogValue* v, int field, Exchange x) noexcept:
    """Where it went."""
    cdef Span label
    cdef const char* name
    cdef Py_ssize_t n = 0
    if field == L_ROUTE and x.route != NULL:
        some_text(v, x.route_name.p, x.route_name.n)
    elif field == L_UPSTREAM and x.tries and x.target is not None and x.target.name is not None:
        # Kept within the string from the first time on.
        name = PyUnicode_AsUTF8AndSize(x.target.name, &n)
        some_text(v, name, n)
    elif field == L_ENDPOINT and x.endpoint is not None:
        label = (<Endpoint>x.endpoint).label()
        some_text(v, label.p, label.n)
    elif field == L_TRIES:
        set_number(v, V_NUMBER, x.tries)
    elif field == L_REQUEST_BYTES:
        set_number(v, V_NUMBER, x.request_bytes)
    elif field == L_RESPONSE_BYTES:
        set_number(v, V_NUMBER, x.response_bytes)


cdef void _timing(LogValue* v, int field, Exchange x) noexcept:
    if field == L_TOTAL_MS:
        set_number(v, V_US, x.times.end - x.times.begin)
    elif field == L_HEAD_MS and x.times.response:
        set_number(v, V_US, x.times.response - x.times.attempt)
    elif field == L_CONNECT_MS and x.times.ready:
        set_number(v, V_US, x.times.ready - x.times.attempt)


cdef void _header(LogValue* v, const LogPiece* piece, Fields* fields) noexcept:
    """The first value of a header. What is secret is named but not shown; a Referer's query
    is a query."""
    cdef Field* f
    cdef const char* mark
    if piece.id == NAME_OTHER:
        f = fields_find_name(fields, piece.name)
    else:
        f = fields_find(fields, <NameId>piece.id)
    if f == NULL:
        return
    if not piece.shown:
        v.kind = V_REDACTED
        return
    some_text(v, f.value, f.value_n)
    if piece.id == NAME_REFERER and f.value_n:
        mark = <const char*>memchr(f.value, 63, f.value_n)
        if mark != NULL:
            v.kind = V_TARGET
            v.text.n = mark - f.value
            v.more = span(mark + 1, f.value_n - v.text.n - 1)


cdef void _tls(LogValue* v, const LogPiece* piece, const Facts* facts) noexcept:
    """Nothing for connections without TLS, or without what is asked for."""
    cdef Span text = tls_text(facts, <TlsText>piece.id)
    some_text(v, text.p, text.n)


cdef void find_value(LogValue* v, const LogPiece* piece, Exchange x) noexcept:
    """The value of a field."""
    cdef int field = piece.field
    v.kind = V_ABSENT
    if field <= L_TIME_S:
        find_time(v, field, <Shared>x.dispatcher)
    elif field == L_REQUEST_ID:
        some_text(v, x.request_id, x.request_id_n)
    elif field <= L_PEER:
        find_client(v, field, x.facts)
    elif field <= L_PROTOCOL:
        _of_head(v, field, x)
    elif field <= L_WAITING_ON:
        _ending(v, field, x)
    elif field <= L_RESPONSE_BYTES:
        _way(v, field, x)
    elif field <= L_TOTAL_MS:
        _timing(v, field, x)
    elif field == L_HEADER:
        _header(v, piece, &x.request.fields)
    elif field == L_RESPONSE_HEADER:
        _header(v, piece, &x.response.fields)
    else:
        _tls(v, piece, x.facts)
