"""A fixed answer; see respond.pxd."""

from fastgw.ext.base.reasons cimport REASON_FIXED_REPLY, REASON_MEMORY, REASON_NONE, Reason
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.exchange.contract cimport HOOK_REQUEST, V_FAILED, V_RESPOND, Exchange, Verdict
from fastgw.ext.http.head cimport fields_append
from fastgw.ext.policy.field cimport FieldName
from fastgw.ext.policy.field import parse_name
from fastgw.ext.policy.options import only
from fastgw.ext.policy.template cimport RENDER_DONE, RENDER_NO_MEMORY, RENDER_UNSAFE, Template

#: Statuses whose answers have no body (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5).
BODILESS = (204, 205, 304)


def parse_status(value: object) -> int:
    """A final status; 1xx are not answers."""
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise ValueError(f"status: expected a number from 200 to 599, not {value!r}")
    return value


def parse_headers(values: object) -> list[tuple[FieldName, Template]]:
    """The headers of an answer."""
    if not isinstance(values, dict):
        raise ValueError("headers: expected a map of names and values")
    found = []
    for name, value in values.items():
        try:
            found.append((parse_name(name), Template(value)))
        except ValueError as error:
            raise ValueError(f"headers.{name}: {error}") from None
    return found


cdef class RespondPolicy(Policy):
    """See respond.pxd."""

    def __init__(self, name: str, options: dict):
        only(options, ("status", "headers", "body", "template"), "respond")
        body = options.get("body") or ""
        if not isinstance(body, (str, bytes)):
            raise ValueError(f"body: expected a text, not {body!r}")
        self.name = name
        self.kind = "respond"
        self.hooks = 1 << HOOK_REQUEST
        self.status = parse_status(options.get("status", 200))
        self.body = body.encode() if isinstance(body, str) else body
        if self.body and self.status in BODILESS:
            raise ValueError(f"body: an answer with status {self.status} has none")
        headers = parse_headers(options.get("headers") or {})
        if self.body and all((<FieldName>f).lowered != b"content-type" for f, _ in headers):
            headers.append((parse_name("Content-Type"), Template("text/plain; charset=utf-8")))
        self.headers = tuple(headers)
        if options.get("template"):
            self.template = self.parse_template(body, options.get("headers") or {})

    def parse_template(self, body: str | bytes, headers: dict[str, str]) -> BodyTemplate:
        """The body as a template, escaped as its Content-Type asks."""
        kind = "text/plain"
        for name, value in headers.items():
            if name.lower() == "content-type":
                kind = value
        try:
            return BodyTemplate(body if isinstance(body, str) else body.decode(), kind)
        except ValueError as error:
            raise ValueError(f"body: {error}") from None

    cdef Rendered fill(self, Exchange x, Span* body) noexcept:
        """The body of one answer."""
        body[0] = span(<const char*>self.body, len(self.body))
        return RENDER_DONE if self.template is None else self.template.render(x, body)

    cdef Verdict on_request(self, Exchange x, void* slot) except V_FAILED:
        cdef Reason trouble = REASON_NONE
        cdef FieldName name
        cdef Template template
        cdef Rendered rendered
        cdef Span value
        for name, template in self.headers:
            rendered = template.render(x, &value)
            if rendered == RENDER_UNSAFE:
                raise ValueError(f"header {name.text.decode()}: its value would hold "
                                 "a control byte")
            if rendered == RENDER_NO_MEMORY or fields_append(
                &x.reply.fields, &x.arena, name.id, name.text_span(), value
            ) == NULL:
                trouble = REASON_MEMORY
        if self.fill(x, &x.reply.body) == RENDER_NO_MEMORY:
            trouble = REASON_MEMORY
        if trouble != REASON_NONE:
            x.reply.body = span(NULL, 0)
            x.reply.reason = trouble
            return V_RESPOND
        x.reply.status = self.status
        x.reply.reason = REASON_FIXED_REPLY
        x.reply.plain = x.reply.body.n > 0
        return V_RESPOND
