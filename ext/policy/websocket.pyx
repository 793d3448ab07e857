"""WebSocket through a route; see websocket.pxd."""

import re
from fastgw.ext.base.reasons cimport (
    REASON_MEMORY, REASON_NONE, REASON_ORIGIN_DENIED, REASON_WEBSOCKET_VERSION, Reason,
)
from fastgw.ext.base.span cimport span, span_bytes
from fastgw.ext.exchange.contract cimport (
    HOOK_REQUEST, V_CONTINUE, V_FAILED, V_RESPOND, Exchange, Verdict,
)
from fastgw.ext.http.head cimport Field, H_UPGRADE, fields_append, fields_find, fields_next
from fastgw.ext.http.names cimport NAME_ORIGIN, NAME_SEC_WEBSOCKET_VERSION
from fastgw.ext.http.websocket cimport asks_for_websocket, check_handshake
from fastgw.ext.policy.options import only

#: Options that are limits, with the field of the rule that each one sets.
LIMITS = {
    "idle": "idle_ms", "lifetime": "lifetime_ms", "bytes": "bytes", "ping": "ping_ms",
    "drain": "drain_ms", "close": "close_ms",
}
ORIGIN = re.compile(rb"[a-z][a-z0-9+.-]*://(\*\.)?[a-z0-9._~-]+(:[0-9]{1,5})?\Z|"
                    rb"[a-z][a-z0-9+.-]*://\[[0-9a-f:.]+\](:[0-9]{1,5})?\Z|null\Z")


cdef class Origins:
    """See websocket.pxd."""

    def __init__(self, entries: list[str]) -> None:
        exact, suffixes = set(), []
        for entry in entries:
            if not isinstance(entry, str):
                raise ValueError(f"origins: {entry!r} is not an origin")
            text = entry.lower().encode()
            if entry in ("*", "same"):
                continue
            if not ORIGIN.match(text):
                raise ValueError(f"origins: '{entry}' is not an origin (https://example.com)")
            scheme, star, rest = text.partition(b"*.")
            if star:
                suffixes.append((scheme, b"." + rest))
            else:
                exact.add(text)
        self.anyone, self.same = "*" in entries, "same" in entries
        self.exact, self.suffixes = frozenset(exact), tuple(suffixes)

    cdef bint admits(self, Exchange x, Span origin) except -1:
        """Whether a page of this origin (RFC 6454 section 7) may open a WebSocket here."""
        cdef bytes text = span_bytes(origin).lower()
        if self.anyone or text in self.exact:
            return True
        if self.same and text.partition(b"://")[2] == span_bytes(x.request.authority).lower():
            return True
        for scheme, suffix in self.suffixes:
            if text.startswith(scheme) and text.endswith(suffix) and (
                len(text) > len(scheme) + len(suffix)
            ):
                return True
        return False


cdef class WebsocketPolicy(Policy):
    """See websocket.pxd."""

    def __init__(self, name: str, options: dict):
        only(options, (*LIMITS, "origins"), "websocket")
        limits = {}
        for key, field in LIMITS.items():
            value = options.get(key)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
                raise ValueError(f"{key}: expected a number, not {value!r}")
            if key != "bytes" and value >= 1 << 32:
                raise ValueError(f"{key}: {value} ms is too long")
            limits[field] = value
        origins = options.get("origins")
        if origins is not None and (not isinstance(origins, (list, tuple)) or not origins):
            raise ValueError(f"origins: expected a list of origins, not {origins!r}")
        self.name = name
        self.kind = "websocket"
        self.hooks = 1 << HOOK_REQUEST
        self.rule = TunnelRule(**limits)
        self.origins = Origins(list(origins)) if origins is not None else None

    cdef Verdict on_request(self, Exchange x, void* slot) except V_FAILED:
        """Other requests of the route pass as they are, without any other upgrade."""
        cdef Reason why
        if not x.request.flags & H_UPGRADE or not asks_for_websocket(&x.request):
            return V_CONTINUE
        why = check_handshake(&x.request)
        if why == REASON_NONE and not self.admits(x):
            why = REASON_ORIGIN_DENIED
        if why == REASON_WEBSOCKET_VERSION and fields_append(
            &x.reply.fields, &x.arena, NAME_SEC_WEBSOCKET_VERSION,
            span(b"Sec-WebSocket-Version", 21), span(b"13", 2),
        ) == NULL:
            why = REASON_MEMORY
        if why != REASON_NONE:
            x.reply.reason = why
            return V_RESPOND
        if not x.in_shadow:
            x.protocol = span(b"websocket", 9)
            x.tunnel_rule = self.rule
        return V_CONTINUE

    cdef bint admits(self, Exchange x) except -1:
        """Clients that are no browsers send no Origin: the check keeps other sites' pages from
        using a visitor's cookies, nothing else."""
        cdef Field* f
        if self.origins is None:
            return True
        f = fields_find(&x.request.fields, NAME_ORIGIN)
        if f == NULL:
            return True
        if fields_next(&x.request.fields, f) != NULL:
            return False
        return self.origins.admits(x, span(f.value, f.value_n))
