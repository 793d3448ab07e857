"""Template; see template.pxd."""

import re
from difflib import get_close_matches
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, strlen
from libc.time cimport strftime, time_t, tm
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.reasons cimport reason_row
from fastgw.ext.base.span cimport span
from fastgw.ext.exchange.shared cimport Shared
from fastgw.ext.http.head cimport Field, fields_find, fields_find_name
from fastgw.ext.http.names cimport NAME_OTHER, NameId
from fastgw.ext.io.tls.identity cimport (
    TLS_CERT, TLS_CHAIN, TLS_CIPHER, TLS_FINGERPRINT, TLS_ISSUER, TLS_NAME, TLS_NAMES, TLS_SUBJECT,
    TLS_VERSION, TlsText, tls_text,
)
from fastgw.ext.policy.field cimport FieldName, is_clean
from fastgw.ext.policy.field import read_name
from fastgw.ext.policy.lookup cimport cookie_value, query_value
from fastgw.ext.route.snapshot cimport Snapshot
from fastgw.ext.upstream.contract cimport Endpoint

cdef extern from "<time.h>" nogil:
    tm* gmtime_r(const time_t* seconds, tm* parts)

#: Variables without an argument.
VARIABLES: dict[str, int] = {
    "client.ip": PART_CLIENT_IP,
    "client.port": PART_CLIENT_PORT,
    "request.id": PART_REQUEST_ID,
    "route": PART_ROUTE,
    "method": PART_METHOD,
    "scheme": PART_SCHEME,
    "host": PART_HOST,
    "path": PART_PATH,
    "query": PART_QUERY,
    "response.status": PART_RESPONSE_STATUS,
    "upstream": PART_UPSTREAM,
    "now": PART_NOW,
    "now.unix": PART_NOW_UNIX,
    "reason": PART_REASON,
}
#: Variables of the client's TLS connection; empty without TLS, or without a certificate.
TLS_VARIABLES: dict[str, int] = {
    "tls.name": TLS_NAME,
    "tls.version": TLS_VERSION,
    "tls.cipher": TLS_CIPHER,
    "tls.client.subject": TLS_SUBJECT,
    "tls.client.issuer": TLS_ISSUER,
    "tls.client.fingerprint": TLS_FINGERPRINT,
    "tls.client.names": TLS_NAMES,
    "tls.client.cert": TLS_CERT,
    "tls.client.chain": TLS_CHAIN,
}
#: Variables with an argument, after a dot.
NAMED: dict[str, int] = {
    "cookie": PART_COOKIE,
    "query": PART_QUERY_VALUE,
    "path": PART_PARAMETER,
}
_ARGUMENT = re.compile(r"[A-Za-z0-9_!#$%&'*+.^`|~-]+\Z")
#: Those that mean something only once there is a response.
OF_RESPONSE = frozenset(("response.status", "upstream", "reason"))


# -- compiling -------------------------------------------------------------------------

def split(source: str) -> list[tuple[bool, str]]:
    """(is a variable, text) of each piece; ValueError for a brace that stands alone."""
    pieces: list[tuple[bool, str]] = []
    text = ""
    at = 0
    while at < len(source):
        c = source[at]
        if c in "{}" and source[at:at + 2] == c * 2:
            text += c
            at += 2
        elif c == "}":
            raise ValueError("'}' without '{' (a literal brace is written '}}')")
        elif c == "{":
            end = source.find("}", at)
            if end < 0:
                raise ValueError("'{' without '}' (a literal brace is written '{{')")
            pieces += [(False, text)] * bool(text) + [(True, source[at + 1:end])]
            text = ""
            at = end + 1
        else:
            text += c
            at += 1
    return pieces + [(False, text)] * bool(text)


def unknown(name: str) -> ValueError:
    """The error for a variable that does not exist."""
    near = get_close_matches(
        name, [*VARIABLES, *TLS_VARIABLES, "header.NAME", *(f"{kind}.NAME" for kind in NAMED)], 1
    )
    hint = f" (did you mean '{{{near[0]}}}'?)" if near else ""
    return ValueError(f"unknown variable '{{{name}}}'{hint}")


cdef class Template:
    """A text with variables; `response`: it is rendered where there is a response."""

    def __init__(self, source: object, response: bool = False):
        if not isinstance(source, str):
            raise ValueError(f"expected a text, not {source!r}")
        pieces = split(source)
        if len(pieces) > MAX_PARTS:
            raise ValueError(f"more than {MAX_PARTS} pieces in one text")
        self.source = source
        self.fixed = not any(variable for variable, _ in pieces)
        self.texts = ()
        for variable, text in pieces:
            if variable:
                self.add_variable(text, response)
            else:
                self.add_text(text)
        self.join_query_marks()

    def add_text(self, text: str) -> None:
        """A literal piece, sent as UTF-8."""
        cdef bytes raw = text.encode()
        if not is_clean(<const char*>raw, len(raw)):
            raise ValueError("control characters can't stand in a header")
        self.keep(PART_TEXT, raw)

    def add_variable(self, name: str, response: bool) -> None:
        """A variable; ValueError if there is none of this name here."""
        cdef FieldName f
        if name.startswith("header."):
            f = read_name(name[len("header."):])
            self.keep(PART_HEADER, f.lowered)
            self.parts[self.n - 1].id = f.id
            return
        if name in TLS_VARIABLES:
            self.keep(PART_TLS, b"")
            self.parts[self.n - 1].id = TLS_VARIABLES[name]
            return
        kind = VARIABLES.get(name)
        if kind is None:
            start, _, argument = name.partition(".")
            if start not in NAMED or not _ARGUMENT.match(argument):
                raise unknown(name)
            self.keep(NAMED[start], argument.encode())
            return
        if name in OF_RESPONSE and not response:
            raise ValueError(f"'{{{name}}}' is not known before there is a response")
        self.keep(kind, b"")

    def keep(self, kind: int, raw: bytes) -> None:
        """Append a part that points into `raw`."""
        cdef Part* part = &self.parts[self.n]
        part.kind = kind
        part.mark = False
        part.id = NAME_OTHER
        part.text = span(<const char*>(<bytes>raw), len(raw))
        self.texts += (raw,)
        self.n += 1

    def join_query_marks(self) -> None:
        """Let a '?' right before {query} go where the query goes."""
        cdef Part* before
        cdef int i
        for i in range(1, self.n):
            before = &self.parts[i - 1]
            if self.parts[i].kind == PART_QUERY and before.kind == PART_TEXT and (
                before.text.p[before.text.n - 1] == 63
            ):
                before.text.n -= 1
                self.parts[i].mark = True

    @property
    def pieces(self) -> list[tuple[str, str]]:
        """("text", literal) or ("variable", name) of each piece, for checks at load."""
        return [
            ("variable" if variable else "text", text) for variable, text in split(self.source)
        ]

    # -- rendering ---------------------------------------------------------------------

    cdef Rendered render(self, Exchange x, Span* out) noexcept:
        """The text for `x`, in its arena (or in this object, when it is fixed)."""
        cdef Span values[MAX_PARTS]
        cdef char scratch[MAX_PARTS][SCRATCH_BYTES]
        cdef size_t n = 0
        cdef int i
        cdef char* p
        if self.n <= 1 and self.fixed:
            out[0] = self.parts[0].text if self.n else span(NULL, 0)
            return RENDER_DONE
        for i in range(self.n):
            values[i] = part_value(x, &self.parts[i], scratch[i])
            n += values[i].n + _marked(x, &self.parts[i])
        p = <char*>arena_alloc(&x.arena, n + 1)
        if p == NULL:
            return RENDER_NO_MEMORY
        out[0] = span(p, n)
        for i in range(self.n):
            if _marked(x, &self.parts[i]):
                p[0] = 63
                p += 1
            if values[i].n:
                memcpy(p, values[i].p, values[i].n)
                p += values[i].n
        return RENDER_DONE if is_clean(out.p, n) else RENDER_UNSAFE


cdef inline bint _marked(Exchange x, const Part* part) noexcept:
    """Whether a '?' goes before this part."""
    return part.mark and x.request.query.p != NULL


cdef Span part_value(Exchange x, const Part* part, char* scratch) noexcept:
    """See template.pxd."""
    cdef int kind = part.kind
    if kind == PART_TEXT:
        return part.text
    if kind == PART_HEADER:
        return _header(x, part)
    if kind == PART_HOST:
        return x.request.host
    if kind == PART_PATH:
        return x.request.path
    if kind == PART_QUERY:
        return x.request.query
    if kind == PART_METHOD:
        return x.request.method
    if kind == PART_SCHEME:
        return x.request.scheme
    if kind == PART_REQUEST_ID:
        return span(x.request_id, x.request_id_n)
    if kind == PART_TLS:
        return tls_text(x.facts, <TlsText>part.id)
    if kind == PART_PARAMETER:
        return _parameter(x, part.text)
    if kind == PART_COOKIE:
        return cookie_value(&x.request.fields, part.text)
    if kind == PART_QUERY_VALUE:
        return query_value(x.request.query, part.text)
    return _rare_value(x, kind, scratch)


cdef Span _rare_value(Exchange x, int kind, char* scratch) noexcept:
    """The values that are not bytes of the request's head."""
    if kind == PART_CLIENT_IP and x.facts != NULL:
        return span(x.facts.client.text, x.facts.client.text_n)
    if kind == PART_CLIENT_PORT and x.facts != NULL:
        return _decimal(x.facts.client.port, scratch)
    if kind == PART_ROUTE:
        return x.route_name
    if kind == PART_RESPONSE_STATUS:
        return _decimal(x.response.status, scratch)
    if kind == PART_UPSTREAM:
        return _upstream(x)
    if kind == PART_NOW:
        return _date(_unix_s(x), scratch)
    if kind == PART_NOW_UNIX:
        return _decimal(_unix_s(x), scratch)
    if kind == PART_REASON and x.winner is None:
        return _text(reason_row(x.reply.reason).name)
    return span(NULL, 0)


cdef Span _text(const char* text) noexcept:
    """A text that ends in NUL."""
    return span(text, strlen(text))


cdef Span _parameter(Exchange x, Span name) noexcept:
    """A parameter of the route's path; a tunnel has let go of the plan that knows them."""
    if x.route == NULL or x.snapshot is None:
        return span(NULL, 0)
    return (<Snapshot>x.snapshot).parameter(x, name)


cdef int64_t _unix_s(Exchange x) noexcept:
    """Seconds since 1970."""
    return (<Shared>x.dispatcher).unix_ms() // 1000 if x.dispatcher is not None else 0


cdef Span _date(int64_t unix_s, char* out) noexcept:
    """A point in time as RFC 3339 writes it, in UTC, to the second."""
    cdef time_t seconds = unix_s
    cdef tm parts
    if gmtime_r(&seconds, &parts) == NULL:
        return span(NULL, 0)
    return span(out, strftime(out, SCRATCH_BYTES, b"%Y-%m-%dT%H:%M:%SZ", &parts))


cdef Span _header(Exchange x, const Part* part) noexcept:
    """The first value of a header of the request."""
    cdef Field* f
    if part.id != NAME_OTHER:
        f = fields_find(&x.request.fields, <NameId>part.id)
    else:
        f = fields_find_name(&x.request.fields, part.text)
    return span(f.value, f.value_n) if f != NULL else span(NULL, 0)


cdef Span _upstream(Exchange x) noexcept:
    """Host and port of the endpoint that answered; empty for answers of the gateway's own."""
    cdef Endpoint endpoint
    if x.winner is None or not isinstance(x.winner.endpoint, Endpoint):
        return span(NULL, 0)
    endpoint = <Endpoint>x.winner.endpoint
    if endpoint.authority is None:
        return span(NULL, 0)
    return span(<const char*>endpoint.authority, len(endpoint.authority))


cdef Span _decimal(uint64_t value, char* scratch) noexcept:
    """A number in decimal."""
    cdef int at = SCRATCH_BYTES
    while True:
        at -= 1
        scratch[at] = 48 + value % 10
        value //= 10
        if value == 0 or at == 0:
            return span(scratch + at, SCRATCH_BYTES - at)
