"""A redirect; see redirect.pxd.

What a client sends must not choose the host it is sent to (open redirects): variables
are not allowed in the authority of `to`, except `{host}` as the whole name, and a target
that begins with a path never begins with two slashes.
"""

from fastgw.ext.base.reasons cimport REASON_FIXED_REPLY, REASON_MEMORY
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.exchange.contract cimport HOOK_REQUEST, V_FAILED, V_RESPOND, Exchange, Verdict
from fastgw.ext.http.head cimport fields_append
from fastgw.ext.http.names cimport NAME_LOCATION
from fastgw.ext.policy.options import only
from fastgw.ext.policy.template cimport RENDER_NO_MEMORY, RENDER_UNSAFE, Rendered

#: Statuses that send a client elsewhere (RFC 9110 section 15.4).
STATUSES = (301, 302, 303, 307, 308)


def check_target(template: Template) -> bool:
    """Whether `to` begins with a path; ValueError when a client could choose its host."""
    pieces = template.pieces
    if not pieces:
        raise ValueError("to: is empty")
    first = pieces[0]
    if first == ("variable", "path") or (first[0] == "text" and first[1].startswith("/")):
        if first[1].startswith(("//", "/\\")):
            raise ValueError("to: write the scheme: https://host/path")
        return True
    check_authority(pieces)
    return False


def check_authority(pieces: list[tuple[str, str]]) -> None:
    """Scheme and host are literal, or {scheme} and {host}; then a path, query or nothing."""
    rest = list(pieces)
    if rest[0] == ("variable", "scheme"):
        rest = rest[1:]
        start = "://"
    else:
        start = "http://" if rest[0][1].startswith("http://") else "https://"
    if not rest or rest[0][0] != "text" or not rest[0][1].startswith(start):
        raise ValueError("to: begins with http://, https://, {scheme}://, {path} or /")
    rest[0] = ("text", rest[0][1][len(start):])
    named = False
    for kind, text in rest:
        if kind == "text" and any(c in text for c in "/?#"):
            named = named or text[0] not in "/?#"
            break
        if (kind, text) == ("variable", "path"):
            break
        if kind == "variable" and (text != "host" or named):
            raise ValueError(f"to: '{{{text}}}' can't be part of the host; put '/' before it")
        named = named or bool(text)
    if not named:
        raise ValueError("to: has no host")


cdef class RedirectPolicy(Policy):
    """See redirect.pxd."""

    def __init__(self, name: str, options: dict):
        only(options, ("to", "status"), "redirect")
        self.name = name
        self.kind = "redirect"
        self.hooks = 1 << HOOK_REQUEST
        status = options.get("status", 302)
        if status not in STATUSES or isinstance(status, bool):
            raise ValueError(f"status: expected one of {', '.join(map(str, STATUSES))}, "
                             f"not {status!r}")
        self.status = status
        if not isinstance(options.get("to"), str):
            raise ValueError("to: is missing")
        try:
            self.to = Template(options["to"])
        except ValueError as error:
            raise ValueError(f"to: {error}") from None
        self.local = check_target(self.to)

    cdef Verdict on_request(self, Exchange x, void* slot) except V_FAILED:
        cdef Span value
        cdef Rendered rendered = self.to.render(x, &value)
        if rendered == RENDER_UNSAFE:
            raise ValueError("the redirect's target would hold a control byte")
        # //host and /\host are other hosts to a browser, and `//` is kept in paths.
        while self.local and value.n > 1 and value.p[1] in (47, 92):
            value.p += 1
            value.n -= 1
        if rendered == RENDER_NO_MEMORY or fields_append(
            &x.reply.fields, &x.arena, NAME_LOCATION, span(b"Location", 8), value
        ) == NULL:
            x.reply.reason = REASON_MEMORY
            return V_RESPOND
        x.reply.status = self.status
        x.reply.reason = REASON_FIXED_REPLY
        x.reply.plain = True
        return V_RESPOND
