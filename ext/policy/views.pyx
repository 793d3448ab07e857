"""Views; see views.pxd."""

from libc.stdint cimport uint32_t
from fastgw.ext.base.span cimport Span, span, span_bytes
from fastgw.ext.http.head cimport F_HIDDEN, F_REMOVAL, Field, fields_remove, same_name
from fastgw.ext.policy.field cimport FieldName, append_copy
from fastgw.ext.policy.field import parse_name, parse_value, read_name
from fastgw.policy import BODILESS, Headers, Request, Response, ViewExpired


cdef str _text(Span s):
    """Bytes of a head as latin-1 text."""
    return span_bytes(s).decode("latin-1")


cdef class View:
    """See views.pxd."""

    cdef Exchange live(self):
        """The exchange; ViewExpired once it is over."""
        if self.x.generation == 0 or self.x.generation != self.generation:
            raise ViewExpired("the exchange of this view is over")
        return self.x

    cdef bint may_change(self) except -1:
        """Whether a change is to be made; ViewExpired where none is allowed."""
        self.live()
        if not self.open:
            raise ViewExpired("a head can be changed only within the hook it was handed to")
        return not self.muted


cdef class HeadersView:
    """See views.pxd."""

    cdef Fields* fields(self) except NULL:
        """The table, of the exchange as it is now."""
        cdef Exchange x = self.of.live()
        return &x.response.fields if self.response else &x.request.fields

    def get_all(self, name: str) -> list[str]:
        """Every value, in order."""
        cdef FieldName wanted = read_name(name)
        cdef Fields* t = self.fields()
        cdef Field like
        cdef uint32_t i
        cdef list found = []
        like.name, like.name_n = <const char*>wanted.text, len(wanted.text)
        for i in range(t.n):
            if not t.rows[i].flags & (F_HIDDEN | F_REMOVAL) and t.rows[i].id == wanted.id and (
                same_name(&t.rows[i], &like)
            ):
                found.append(_text(span(t.rows[i].value, t.rows[i].value_n)))
        return found

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value, or `default`."""
        cdef list values = self.get_all(name)
        return values[0] if values else default

    def items(self) -> list[tuple[str, str]]:
        """(name, value) of every field, in order."""
        cdef Fields* t = self.fields()
        cdef uint32_t i
        return [
            (_text(span(t.rows[i].name, t.rows[i].name_n)),
             _text(span(t.rows[i].value, t.rows[i].value_n)))
            for i in range(t.n) if not t.rows[i].flags & (F_HIDDEN | F_REMOVAL)
        ]

    def set(self, name: str, value: str | bytes) -> None:
        """One value in place of all there are."""
        raw = parse_value(value)
        self.remove(name)
        self.add(name, raw)

    def add(self, name: str, value: str | bytes) -> None:
        """One more value."""
        cdef FieldName checked = parse_name(name)
        raw = parse_value(value)
        if self.of.may_change():
            append_copy(self.fields(), self.of.x, checked.text, raw)

    def remove(self, name: str) -> int:
        """Take every value away; how many there were."""
        cdef FieldName checked = parse_name(name)
        if not self.of.may_change():
            return len(self.get_all(name))
        return fields_remove(
            self.fields(), &self.of.x.arena, checked.id, checked.lowered_span()
        )

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_all(name))

    def __iter__(self):
        return iter([name for name, _ in self.items()])

    def __len__(self) -> int:
        return len(self.items())

    def __repr__(self) -> str:
        return f"<Headers {self.items()!r}>"


cdef class RequestView(View):
    """A request's head; members as in fastgw.Request."""

    @property
    def headers(self) -> HeadersView:
        """Its fields. A new object each time: kept in here it would be a cycle."""
        return _headers(self, False)

    @property
    def method(self) -> str:
        """As received."""
        return _text(self.live().request.method)

    @property
    def path(self) -> str:
        """Normalised, before rewriting."""
        return _text(self.live().request.path)

    @property
    def query(self) -> str:
        """What follows '?', without it."""
        return _text(self.live().request.query)

    @property
    def host(self) -> str:
        """Lower case, without port."""
        return _text(self.live().request.host)

    @property
    def scheme(self) -> str:
        """http or https."""
        return _text(self.live().request.scheme)

    @property
    def client_ip(self) -> str:
        """The client's address; "unix" for unix sockets, empty without a client."""
        return client_ip(self.live())

    @property
    def client_port(self) -> int:
        """The client's port; 0 without one."""
        cdef Exchange x = self.live()
        return x.facts.client.port if x.facts != NULL else 0

    @property
    def request_id(self) -> str:
        """The id that logs and the upstream see."""
        cdef Exchange x = self.live()
        return x.request_id[:x.request_id_n].decode("latin-1")

    @property
    def route(self) -> str:
        """Name of the route."""
        return _text(self.live().route_name)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"


cdef class ResponseView(View):
    """A response's head; members as in fastgw.Response."""

    @property
    def headers(self) -> HeadersView:
        """Its fields; see RequestView.headers."""
        return _headers(self, True)

    @property
    def status(self) -> int:
        """The status, which may be changed within the class of answers with a body."""
        return self.live().response.status

    @status.setter
    def status(self, value: int) -> None:
        cdef Exchange x
        if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
            raise ValueError(f"a status is a number from 200 to 599, not {value!r}")
        x = self.live()
        if (value in BODILESS) != (x.response.status in BODILESS):
            raise ValueError(f"status {x.response.status} can't become {value}: only one of "
                             "them has a body")
        if self.may_change():
            x.response.status = value

    @property
    def body(self) -> bytes:
        """Not here: it streams past."""
        raise AttributeError("the body of an upstream's answer is not read")

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


Headers.register(HeadersView)
Request.register(RequestView)
Response.register(ResponseView)


cdef str client_ip(Exchange x):
    """The client's address as text."""
    return _text(span(x.facts.client.text, x.facts.client.text_n)) if x.facts != NULL else ""


cdef HeadersView _headers(View of, bint response):
    cdef HeadersView h = HeadersView.__new__(HeadersView)
    h.of = of
    h.response = response
    return h


cdef RequestView new_request_view(Exchange x):
    """A closed view of the request."""
    cdef RequestView v = RequestView.__new__(RequestView)
    v.x, v.generation = x, x.generation
    return v


cdef ResponseView new_response_view(Exchange x):
    """A closed view of the response."""
    cdef ResponseView v = ResponseView.__new__(ResponseView)
    v.x, v.generation = x, x.generation
    return v
