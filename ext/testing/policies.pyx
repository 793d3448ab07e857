"""A policy that does what a script says; see policies.pxd."""

from libc.stdint cimport uint32_t
from libc.string cimport memset
from fastgw.ext.base.reasons cimport REASON_NONE
from fastgw.ext.base.buffers cimport chunk_release

from fastgw.ext.exchange.contract cimport (
    HOOK_ATTEMPT, HOOK_LOG, HOOK_RELEASE, HOOK_REQUEST, HOOK_REQUEST_BODY, HOOK_REQUEST_CHUNK,
    HOOK_RESPONSE, HOOK_RESPONSE_BODY, HOOK_RESPONSE_CHUNK, MODE_NONE, MODE_STREAM, MODE_WHOLE,
    RESPONSE_SIDE, TICKET_CANCELLED, TICKET_DONE, TICKET_TIMEOUT, V_CONTINUE,
    V_RESPOND, V_SUSPEND, Reply, Ticket, TicketEvent,
)
from fastgw.ext.http.head cimport Fields, fields_append, fields_remove
from fastgw.ext.http.names cimport name_id
from fastgw.ext.testing.heads cimport get_fields, make_chunk, put_text, reason_of
from fastgw.ext.testing.sinks cimport FakeSink

#: Bits of `Policy.hooks` by name.
HOOKS_BY_NAME: dict[str, int] = {
    "on_request": HOOK_REQUEST, "on_request_chunk": HOOK_REQUEST_CHUNK,
    "on_request_body": HOOK_REQUEST_BODY, "on_attempt": HOOK_ATTEMPT,
    "on_response": HOOK_RESPONSE, "on_response_chunk": HOOK_RESPONSE_CHUNK,
    "on_response_body": HOOK_RESPONSE_BODY, "on_log": HOOK_LOG, "on_release": HOOK_RELEASE,
}
EVENTS: dict[str, int] = {
    "done": TICKET_DONE, "timeout": TICKET_TIMEOUT, "cancelled": TICKET_CANCELLED,
}
EVENT_NAMES: dict[int, str] = {value: name for name, value in EVENTS.items()}


cdef class Seen:
    """See policies.pxd."""


cdef class ScriptedPolicy(Policy):
    """See policies.pxd."""

    def __cinit__(
        self, str name, dict script, *, size_t limit=1 << 20, changes_length=(True, True),
        uint32_t timeout_ms=1000,
    ):
        self.name = name
        self.kind = "scripted"
        self.script = script
        self.slot_size = 8
        self.timeout_ms = timeout_ms
        self.calls, self.tickets, self.turns = [], [], {}
        self.hooks = 1 << <int>HOOK_RELEASE
        for hook in script:
            if hook != "on_resume":
                self.hooks |= 1 << HOOKS_BY_NAME[hook]
        for side, word in enumerate(("request", "response")):
            self.body_mode[<int>side] = MODE_NONE
            if f"on_{word}_body" in script:
                self.body_mode[<int>side] = MODE_WHOLE
            if f"on_{word}_chunk" in script:
                self.body_mode[<int>side] = MODE_STREAM
            self.body_limit[<int>side] = limit
            self.changes_length[<int>side] = changes_length[side]

    def fire(self, int i=-1, str event="done") -> bool:
        """Fire a ticket; whether it woke anything."""
        cdef Ticket t = self.tickets[len(self.tickets) + i if i < 0 else i]
        return t.fire(<TicketEvent><int>EVENTS[event])

    def names(self) -> list[str]:
        """The hooks that were called, in order."""
        return [hook for hook, _ in self.calls]

    # -- hooks -------------------------------------------------------------------------

    cdef Verdict on_request(self, Exchange x, void* slot) except V_FAILED:
        return self.act(x, slot, HOOK_REQUEST, "on_request", None, NULL, False, None)

    cdef Verdict on_resume(self, Exchange x, void* slot, TicketEvent event) except V_FAILED:
        return self.act(
            x, slot, HOOK_REQUEST, "on_resume", None, NULL, False, EVENT_NAMES[<int>event]
        )

    cdef Verdict on_request_chunk(
        self, Exchange x, void* slot, Chunk* c, bint last
    ) except V_FAILED:
        return self.act(x, slot, HOOK_REQUEST_CHUNK, "on_request_chunk", None, c, last, None)

    cdef Verdict on_request_body(self, Exchange x, void* slot) except V_FAILED:
        return self.act(x, slot, HOOK_REQUEST_BODY, "on_request_body", None, NULL, False, None)

    cdef Verdict on_attempt(self, Exchange x, void* slot, Attempt a) except V_FAILED:
        return self.act(x, slot, HOOK_ATTEMPT, "on_attempt", a, NULL, False, None)

    cdef Verdict on_response(self, Exchange x, void* slot) except V_FAILED:
        return self.act(x, slot, HOOK_RESPONSE, "on_response", None, NULL, False, None)

    cdef Verdict on_response_chunk(
        self, Exchange x, void* slot, Chunk* c, bint last
    ) except V_FAILED:
        return self.act(x, slot, HOOK_RESPONSE_CHUNK, "on_response_chunk", None, c, last, None)

    cdef Verdict on_response_body(self, Exchange x, void* slot) except V_FAILED:
        return self.act(x, slot, HOOK_RESPONSE_BODY, "on_response_body", None, NULL, False, None)

    cdef Verdict on_log(self, Exchange x, void* slot) except V_FAILED:
        return self.act(x, slot, HOOK_LOG, "on_log", None, NULL, False, None)

    cdef void on_release(self, Exchange x, void* slot) noexcept:
        self.calls.append(("on_release", None))

    # -- actions -------------------------------------------------------------------------

    cdef Verdict act(
        self, Exchange x, void* slot, Hook hook, str name, Attempt a, Chunk* c, bint last, str event
    ) except V_FAILED:
        """Note the call and do what the script says."""
        cdef Seen seen = Seen()
        action = self.script.get(name, "continue")
        seen.hook, seen.event, seen.last = name, event, last
        seen.status = x.response.status
        seen.chunk = c.p[:c.n] if c != NULL else None
        detail = event
        if c != NULL:
            detail = (seen.chunk, bool(last))
        elif hook == HOOK_REQUEST_BODY or hook == HOOK_RESPONSE_BODY:
            detail = seen.body = x.body.p[:x.body.n] if x.body.n else b""
        self.calls.append((name, detail))
        if isinstance(action, dict):
            action = action.get(event, "continue")
        if isinstance(action, list):
            turn = self.turns.get(name, 0)
            self.turns[name] = turn + 1
            action = action[min(turn, len(action) - 1)]
        if callable(action):
            seen.fields = get_fields(
                &x.response.fields if hook >= HOOK_RESPONSE else &x.request.fields
            )
            action = action(seen)
        return self.do(x, slot, hook, a, c, action)

    cdef Verdict do(
        self, Exchange x, void* slot, Hook hook, Attempt a, Chunk* c, object action
    ) except V_FAILED:
        """One action."""
        cdef Verdict v = V_CONTINUE
        word = action if isinstance(action, str) else action[0]
        if word == "suspend":
            return self.suspend(x, action[1] if isinstance(action, tuple) else 0, None)
        if word == "early":
            return self.suspend(x, 0, action[1])
        if word == "respond":
            return self.respond(x, action[1], action[2], None)
        if word == "reason":
            return self.respond(x, 0, b"", action[1])
        if word == "more":
            return self.give_more(x, slot, c, action[1])
        if word == "raise":
            raise RuntimeError("a policy failed for a test")
        if word in ("emit", "emit_counted"):
            self.emit_all(x, action[1], word == "emit_counted")
        elif word == "replace":
            x.replace_body(action[1], len(action[1]))
        elif word == "provide":
            x.provide(action[1], action[2])
        elif word == "sink":
            (<FakeSink?>action[1]).x = x
            x.add_sink(RESPONSE_SIDE, <FakeSink?>action[1])
        elif word == "another":
            x.open_another()
        elif word == "all":
            for one in action[1]:
                v = self.do(x, slot, hook, a, c, one)
            return v
        elif word != "continue":
            self.edit(x, hook, a, action)
        return V_CONTINUE

    cdef Verdict suspend(self, Exchange x, uint32_t ms, object event) except V_FAILED:
        """Take a ticket; with `event` it is fired before the hook returns."""
        cdef Ticket t = x.take_ticket(ms)
        self.tickets.append(t)
        if event is not None:
            t.fire(<TicketEvent><int>EVENTS[event])
        return V_SUSPEND

    cdef Verdict respond(self, Exchange x, object status, bytes body, str reason) except V_FAILED:
        """Fill the reply."""
        memset(&x.reply, 0, sizeof(Reply))
        x.reply.status = status
        x.reply.reason = reason_of(reason) if reason is not None else REASON_NONE
        if body:
            x.reply.body = put_text(&x.arena, body)
        return V_RESPOND

    cdef void emit_all(self, Exchange x, object pieces, bint counted) except *:
        """Pass pieces on, lent or counted."""
        cdef Chunk c
        for piece in pieces:
            make_chunk(&c, piece, x.engine.pool, counted)
            x.emit(&c)
            chunk_release(&c)

    cdef Verdict give_more(self, Exchange x, void* slot, Chunk* c, object pieces) except V_FAILED:
        """One piece a call, `x.more` until all are given; the slot counts."""
        cdef uint32_t* given = <uint32_t*>slot
        if given[0] < <uint32_t>len(pieces):
            self.emit_all(x, [pieces[given[0]]], False)
            given[0] += 1
        x.more = given[0] < <uint32_t>len(pieces)
        if not x.more:
            given[0] = 0
        return V_CONTINUE

    cdef void edit(self, Exchange x, Hook hook, Attempt a, object action) except *:
        """Change the head that the hook is about."""
        cdef Fields* t = &x.request.fields
        if hook >= HOOK_RESPONSE:
            t = &x.response.fields
        elif a is not None:
            t = &a.overlay
        if action[0] == "status":
            x.response.status = action[1]
            return
        name = put_text(&x.arena, action[1].lower())
        if action[0] == "remove":
            fields_remove(t, &x.arena, name_id(name.p, name.n), name)
        elif action[0] == "set":
            fields_remove(t, &x.arena, name_id(name.p, name.n), name)
            if fields_append(
                t, &x.arena, name_id(name.p, name.n), name, put_text(&x.arena, action[2])
            ) == NULL:
                raise MemoryError
        else:
            raise ValueError(f"no such action: {action!r}")
