"""Whether the gateway is alive or ready; see health.pxd.

A worker answers from its own memory and from a word in shared memory, so that the answer is
right also while master and control process are dead.
"""

from fastgw.ext.base.reasons cimport REASON_FIXED_REPLY, REASON_MEMORY
from fastgw.ext.base.span cimport span
from fastgw.ext.exchange.contract cimport HOOK_REQUEST, V_FAILED, V_RESPOND, Exchange, Verdict
from fastgw.ext.exchange.shared cimport Shared
from fastgw.ext.http.head cimport fields_append
from fastgw.ext.http.names cimport NAME_CACHE_CONTROL, NAME_CONTENT_TYPE
from fastgw.ext.policy.options import only


cdef class HealthPolicy(Policy):
    """See health.pxd."""

    def __init__(self, name: str, options: dict):
        only(options, ("probe",), "health")
        probe = options.get("probe")
        if probe not in ("ready", "live"):
            raise ValueError(f"probe: expected 'ready' or 'live', not {probe!r}")
        self.name = name
        self.kind = "health"
        self.hooks = 1 << HOOK_REQUEST
        self.ready = probe == "ready"

    cdef Verdict on_request(self, Exchange x, void* slot) except V_FAILED:
        cdef bint red = self.ready and (<Shared>x.dispatcher).ends()
        if fields_append(
            &x.reply.fields, &x.arena, NAME_CONTENT_TYPE, span(b"Content-Type", 12),
            span(b"text/plain", 10),
        ) == NULL or fields_append(
            &x.reply.fields, &x.arena, NAME_CACHE_CONTROL, span(b"Cache-Control", 13),
            span(b"no-store", 8),
        ) == NULL:
            x.reply.reason = REASON_MEMORY
            return V_RESPOND
        if red:
            x.reply.body = span(b"draining\n", 9)
        elif self.ready:
            x.reply.body = span(b"ready\n", 6)
        else:
            x.reply.body = span(b"alive\n", 6)
        x.reply.status = 503 if red else 200
        x.reply.reason = REASON_FIXED_REPLY
        x.reply.plain = True
        return V_RESPOND
