"""The policy runner; see runner.pxd and docs/principles.md."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.reasons cimport (
    REASON_NONE, REASON_POLICY_FAILED, REASON_POLICY_REPLY, reason_row,
)
from fastgw.ext.exchange.contract cimport (
    HOOK_ATTEMPT, HOOK_LOG, HOOK_RELEASE, HOOK_REQUEST, HOOK_REQUEST_BODY,
    HOOK_REQUEST_CHUNK, HOOK_RESPONSE, HOOK_RESPONSE_BODY, HOOK_RESPONSE_CHUNK, HOOKS,
    POLICY_OFF, POLICY_SHADOW, REQUEST_SIDE, RESPONSE_SIDE, TICKET_CANCELLED, TICKET_TIMEOUT,
    V_CONTINUE, V_FAILED, V_RESPOND, V_SUSPEND, Policy, Reply, RequestHead, ResponseHead,
)
from fastgw.ext.base.span cimport Span
from fastgw.ext.http.head cimport fields_cut

cdef enum:
    EARLY_RESUMES = 64          # in a row, each with a ticket that was fired already

#: Names of the hooks, in the order of the enum; for logs and `would_respond`.
HOOK_NAMES: tuple[str, ...] = (
    "on_request", "on_request_chunk", "on_request_body", "on_attempt", "on_response",
    "on_response_chunk", "on_response_body", "on_log", "on_release",
)


cdef inline bint _backward(Hook hook) noexcept:
    """Whether a hook is walked from the last entered policy to the first."""
    return hook >= HOOK_RESPONSE


cdef inline void* _slot(Exchange x, const Step* step) noexcept:
    return x.slots + x.chain.slot_at[step.index]


# -- one call --------------------------------------------------------------------------

cdef Verdict _dispatch(
    Exchange x, Hook hook, const Step* step, Attempt a, Chunk* c, bint last
) except V_FAILED:
    """Call the policy's method for `hook`."""
    cdef Policy policy = <Policy>step.policy
    cdef void* slot = _slot(x, step)
    x.running = step.policy
    if hook == HOOK_REQUEST:
        return policy.on_request(x, slot)
    if hook == HOOK_RESPONSE:
        return policy.on_response(x, slot)
    if hook == HOOK_ATTEMPT:
        return policy.on_attempt(x, slot, a)
    if hook == HOOK_REQUEST_CHUNK:
        return policy.on_request_chunk(x, slot, c, last)
    if hook == HOOK_RESPONSE_CHUNK:
        return policy.on_response_chunk(x, slot, c, last)
    if hook == HOOK_REQUEST_BODY:
        return policy.on_request_body(x, slot)
    if hook == HOOK_RESPONSE_BODY:
        return policy.on_response_body(x, slot)
    return policy.on_log(x, slot)


cdef void _report(Exchange x, const Step* step, str hook) noexcept:
    """Hand the exception under way to the worker's log."""
    try:
        x.dispatcher.report_failure((<Policy>step.policy).name, hook, x)
    except Exception:
        pass


cdef Verdict _failed(Exchange x, const Step* step, bint* passed) noexcept:
    """What a failed policy means: `on_failure: pass` goes on, `reject` answers 500."""
    memset(&x.reply, 0, sizeof(Reply))
    if step.pass_failures:
        passed[0] = True
        return V_CONTINUE
    x.reply.reason = REASON_POLICY_FAILED
    return V_RESPOND


cdef void _report_misuse(Exchange x, const Step* step, str hook) noexcept:
    """The same for a SUSPEND that nothing can be made of."""
    try:
        raise RuntimeError("SUSPEND without a ticket, or where it may not wait")
    except RuntimeError:
        _report(x, step, hook)


cdef Verdict _settle(
    Exchange x, const Step* step, str hook, Verdict v, bint may_wait, bint* passed
) noexcept:
    """Check a verdict: a SUSPEND needs a ticket, a ticket needs a SUSPEND."""
    if v == V_SUSPEND:
        if x.given is not None and may_wait:
            return v
        _report_misuse(x, step, hook)
        v = V_FAILED
    _drop_given(x)
    if v == V_FAILED:
        return _failed(x, step, passed)
    if v == V_RESPOND and x.reply.reason == REASON_NONE:
        x.reply.reason = REASON_POLICY_REPLY
    return v


cdef void _drop_given(Exchange x) noexcept:
    """Spend a ticket that was taken but not waited for."""
    cdef Ticket t = x.given
    if t is not None:
        x.given = None
        t.spend(TICKET_CANCELLED)


cdef Verdict _call(
    Exchange x, Hook hook, const Step* step, Attempt a, Chunk* c, bint last, bint may_wait,
    bint* passed,
) noexcept:
    """One policy, one hook; exceptions end here.

    Nothing but RESPOND changes `x.reply`: on the way back it may hold the answer whose
    body is still to be sent."""
    cdef Reply kept = x.reply
    cdef str name = <str>HOOK_NAMES[<int>hook]
    cdef Verdict v
    memset(&x.reply, 0, sizeof(Reply))
    try:
        v = _dispatch(x, hook, step, a, c, last)
    except Exception:
        _report(x, step, name)
        v = V_FAILED
    v = _settle(x, step, name, v, may_wait, passed)
    if v == V_SUSPEND and x.given.spent:
        v = _resume_early(x, step, passed)
    if v != V_RESPOND:
        x.reply = kept
    return v


cdef Verdict _resume_early(Exchange x, const Step* step, bint* passed) noexcept:
    """The ticket was fired before the hook returned: go on at once. A policy that never gets
    further would hold the worker: after EARLY_RESUMES it has failed."""
    cdef Verdict v = V_SUSPEND
    cdef TicketEvent event
    cdef int times = 0
    while v == V_SUSPEND and x.given.spent:
        times += 1
        event = x.given.event
        if times > EARLY_RESUMES:
            _drop_given(x)
            return _failed(x, step, passed)
        _drop_given(x)
        v = _last_word(x, step, event, passed)
    # A chunk hook that suspended and emitted nothing passes its chunk on.
    passed[0] = passed[0] or v == V_CONTINUE
    return v


cdef Verdict _last_word(Exchange x, const Step* step, TicketEvent event, bint* passed) noexcept:
    """on_resume; after a timeout a policy may not wait again."""
    cdef Verdict v
    x.running = step.policy
    try:
        v = (<Policy>step.policy).on_resume(x, _slot(x, step), event)
    except Exception:
        _report(x, step, "on_resume")
        v = V_FAILED
    v = _settle(x, step, "on_resume", v, event != TICKET_TIMEOUT, passed)
    if v == V_RESPOND and event == TICKET_TIMEOUT and step.pass_failures:
        return _failed(x, step, passed)
    return v


# -- shadow ----------------------------------------------------------------------------

cdef void _note_shadow(Exchange x, const Step* step, Hook hook) noexcept:
    """Write down what a shadow policy would have answered."""
    cdef int status = x.reply.status
    if x.reply.reason == REASON_NONE:
        x.reply.reason = REASON_POLICY_REPLY
    if status == 0:
        status = reason_row(x.reply.reason).status
    try:
        if x.shadow is None:
            x.shadow = {"facts": {}, "would_respond": []}
        x.shadow["would_respond"].append({
            "policy": (<Policy>step.policy).name,
            "hook": HOOK_NAMES[<int>hook],
            "status": status,
            "reason": reason_row(x.reply.reason).name.decode("ascii"),
        })
    except Exception:
        pass


cdef void _keep_shadow_ticket(Exchange x, const Step* step, Hook hook) noexcept:
    """A shadow policy waits without holding the exchange."""
    x.given.step = step
    x.given.hook = hook
    try:
        if x.shadow_tickets is None:
            x.shadow_tickets = []
        x.shadow_tickets.append(x.given)
        x.given = None
    except Exception:
        _drop_given(x)


cdef struct Mark:
    RequestHead request
    ResponseHead response
    uint32_t overlay_n
    uint8_t* hidden             # the attempt's; the policy works on a copy
    Span forward_path
    Reply reply
    bint more


cdef uint8_t* _copy_bits(Exchange x, const uint8_t* bits) noexcept:
    """A copy of a bit per field of the request; NULL without memory, or of NULL."""
    cdef size_t n = (x.request.fields.n + 7) // 8
    cdef uint8_t* copy = <uint8_t*>arena_alloc(&x.arena, n) if bits != NULL else NULL
    if copy != NULL:
        memcpy(copy, bits, n)
    return copy


cdef void _enter_shadow(Exchange x, Attempt a, Mark* m) noexcept:
    """Remember all that a policy may change and others can see."""
    m.request, m.response = x.request, x.response
    m.overlay_n, m.hidden = 0, NULL
    if a is not None:
        m.overlay_n, m.hidden = a.overlay.n, a.hidden
        a.hidden = _copy_bits(x, a.hidden)
    m.forward_path, m.reply, m.more = x.forward_path, x.reply, x.more
    memset(&x.reply, 0, sizeof(Reply))
    x.in_shadow = True


cdef void _leave_shadow(Exchange x, Attempt a, Mark* m) noexcept:
    """Put everything back. Tables are cut, not replaced: they may have moved meanwhile."""
    x.in_shadow = False
    fields_cut(&x.request.fields, m.request.fields.n)
    m.request.fields = x.request.fields
    fields_cut(&x.response.fields, m.response.fields.n)
    m.response.fields = x.response.fields
    if a is not None:
        fields_cut(&a.overlay, m.overlay_n)
        a.hidden = m.hidden
    x.request, x.response = m.request, m.response
    x.forward_path, x.reply, x.more = m.forward_path, m.reply, m.more


cdef void _shadow_verdict(Exchange x, const Step* step, Hook hook, Verdict v) noexcept:
    """Write down an answer, keep a ticket, drop what else was taken. A failure that
    `on_failure` makes an answer is one."""
    if v == V_SUSPEND and x.given is not None and not x.given.spent:
        _keep_shadow_ticket(x, step, hook)
        return
    if v == V_SUSPEND:
        _report_misuse(x, step, <str>HOOK_NAMES[<int>hook])
    if v == V_SUSPEND or v == V_FAILED:
        memset(&x.reply, 0, sizeof(Reply))
        x.reply.reason = REASON_POLICY_FAILED
        v = V_CONTINUE if step.pass_failures else V_RESPOND
    if v == V_RESPOND:
        _note_shadow(x, step, hook)
    _drop_given(x)


cdef void _call_shadow(
    Exchange x, Hook hook, const Step* step, Attempt a, Chunk* c, bint last
) noexcept:
    """Run a policy so that nothing a client or upstream can see changes."""
    cdef Mark m
    cdef Chunk lent
    cdef Verdict v
    cdef TicketEvent event
    if c != NULL:
        lent.p, lent.n, lent.owner = c.p, c.n, NULL
        c = &lent
    _enter_shadow(x, a, &m)
    try:
        v = _dispatch(x, hook, step, a, c, last)
        if v == V_SUSPEND and x.given is not None and x.given.spent:
            event = x.given.event
            _drop_given(x)
            v = (<Policy>step.policy).on_resume(x, _slot(x, step), event)
    except Exception:
        _report(x, step, HOOK_NAMES[<int>hook])
        v = V_FAILED
    _shadow_verdict(x, step, hook, v)
    _leave_shadow(x, a, &m)


cdef void resume_shadow(Exchange x, Ticket t) noexcept:
    """A shadow policy's ticket was fired: tell it, and let nothing come of it."""
    cdef const Step* step = t.step
    cdef Mark m
    cdef Verdict v
    if x.shadow_tickets is not None and t in x.shadow_tickets:
        x.shadow_tickets.remove(t)
    _enter_shadow(x, None, &m)
    x.running = step.policy
    try:
        v = (<Policy>step.policy).on_resume(x, _slot(x, step), t.event)
    except Exception:
        _report(x, step, "on_resume")
        v = V_FAILED
    if v == V_RESPOND and t.event == TICKET_TIMEOUT and step.pass_failures:
        v = V_CONTINUE
    if t.event != TICKET_CANCELLED:
        _shadow_verdict(x, step, <Hook>t.hook, v)
    _drop_given(x)
    _leave_shadow(x, None, &m)


# -- a hook's walk -----------------------------------------------------------------------

cdef Ran run_hook(Exchange x, Side side, Hook hook, Attempt a) noexcept:
    """Walk a hook from its beginning."""
    x.run[<int>side].hook = hook
    x.run[<int>side].at = 0
    return _walk(x, side, a)


cdef Ran continue_hook(Exchange x, Side side, Hook hook) noexcept:
    """Walk on where the hook was turned round: what was answered has been replaced."""
    x.run[<int>side].hook = hook
    return _walk(x, side, None)


cdef Ran resume_hook(Exchange x, Ticket t) noexcept:
    """Tell the policy that waits what happened, then walk on."""
    cdef Side side = <Side>t.side
    cdef Hook hook = <Hook>x.run[<int>side].hook
    cdef Ran ran
    if hook == HOOKS:
        return RAN_WAIT
    ran = resume_step(x, side, _step(x, hook, x.run[<int>side].at - 1), t)
    if ran == RAN_REPLY:
        return _turn_round(x, side)
    if ran == RAN_WAIT or x.generation == 0:
        return RAN_WAIT
    return _walk(x, side, x.current if hook == HOOK_ATTEMPT else None)


cdef inline const Step* _step(Exchange x, Hook hook, uint16_t at) noexcept:
    """The `at`th step of a hook's walk, in walking order."""
    cdef const Chain* chain = x.chain
    if _backward(hook):
        return &chain.steps[<int>hook][chain.count[<int>hook] - 1 - at]
    return &chain.steps[<int>hook][at]


cdef Ran _walk(Exchange x, Side side, Attempt a) noexcept:
    """Run the steps that are left."""
    cdef int s = side
    cdef Hook hook = <Hook>x.run[s].hook
    cdef uint16_t count = x.chain.count[<int>hook]
    cdef const Step* step
    cdef bint passed = False
    cdef Verdict v
    while x.run[s].at < count:
        step = _step(x, hook, x.run[s].at)
        x.run[s].at += 1
        if step.mode == POLICY_OFF or (_backward(hook) and step.index >= x.entered):
            continue
        if hook == HOOK_REQUEST:
            x.entered = step.index + 1
        if step.mode == POLICY_SHADOW:
            _call_shadow(x, hook, step, a, NULL, False)
            continue
        v = _call(x, hook, step, a, NULL, False, True, &passed)
        if x.generation == 0:
            return RAN_WAIT
        if v == V_SUSPEND:
            return _wait(x, s)
        if v == V_RESPOND:
            return _turn_round(x, s)
    x.run[s].hook = HOOKS
    if hook == HOOK_REQUEST:
        x.entered = x.chain.n
    return RAN_ON


cdef Ran _turn_round(Exchange x, int side) noexcept:
    x.run[side].hook = HOOKS
    return RAN_REPLY


cdef Ran _wait(Exchange x, int side) noexcept:
    """Put the ticket that was taken where `on_ticket` finds it."""
    x.given.side = side
    if side == REQUEST_SIDE:
        x.waits_request = x.given
    else:
        x.waits_response = x.given
    x.given = None
    return RAN_WAIT


# -- single steps, for the pipe ------------------------------------------------------------

cdef Ran _ran(Exchange x, Side side, Verdict v, bint passed) noexcept:
    """A stage's verdict; its ticket stays with the stage."""
    cdef Ticket t
    if v == V_SUSPEND:
        t = x.given
        t.side = side
        t.waiter = x.stage
        x.given = None
        x.stage.ticket = t
        return RAN_WAIT
    if v == V_RESPOND:
        return RAN_REPLY
    return RAN_PASSED if passed else RAN_ON


cdef Ran run_chunk_step(Exchange x, Side side, const Step* step, Chunk* c, bint last) noexcept:
    """A chunk hook of one policy; what it emits goes to `x.stage`."""
    cdef Hook hook = HOOK_REQUEST_CHUNK if side == REQUEST_SIDE else HOOK_RESPONSE_CHUNK
    cdef bint passed = False
    cdef Verdict v
    x.more = False
    if step.mode == POLICY_SHADOW:
        _call_shadow(x, hook, step, None, c, last)
        return RAN_ON
    v = _call(x, hook, step, None, c, last, True, &passed)
    return _ran(x, side, v, passed)


cdef Ran run_body_step(Exchange x, Side side, const Step* step) noexcept:
    """A body hook of one policy over `x.body`."""
    cdef Hook hook = HOOK_REQUEST_BODY if side == REQUEST_SIDE else HOOK_RESPONSE_BODY
    cdef bint passed = False
    cdef Verdict v
    if step.mode == POLICY_SHADOW:
        _call_shadow(x, hook, step, None, NULL, False)
        return RAN_ON
    v = _call(x, hook, step, None, NULL, False, True, &passed)
    return _ran(x, side, v, passed)


cdef Ran resume_step(Exchange x, Side side, const Step* step, Ticket t) noexcept:
    """Tell one policy that waits what happened."""
    cdef bint passed = False
    cdef Reply kept = x.reply
    cdef Verdict v
    memset(&x.reply, 0, sizeof(Reply))
    v = _last_word(x, step, t.event, &passed)
    if v == V_SUSPEND and x.given.spent:
        v = _resume_early(x, step, &passed)
    if v != V_RESPOND:
        x.reply = kept
    if t.waiter is not None:
        return _ran(x, side, v, passed)
    if v == V_SUSPEND:
        return _wait(x, side)
    return RAN_REPLY if v == V_RESPOND else RAN_ON


# -- the end ---------------------------------------------------------------------------------

cdef void run_log(Exchange x) noexcept:
    """Tell on_log, last policy first; nothing that is answered matters any more."""
    cdef uint16_t i
    cdef bint passed = False
    cdef const Step* step
    for i in range(x.chain.count[<int>HOOK_LOG]):
        step = _step(x, HOOK_LOG, i)
        if step.mode == POLICY_OFF or step.index >= x.entered:
            continue
        if step.mode == POLICY_SHADOW:
            _call_shadow(x, HOOK_LOG, step, None, NULL, False)
        else:
            _call(x, HOOK_LOG, step, None, NULL, False, False, &passed)
    cancel_tickets(x)


cdef void release_policies(Exchange x) noexcept:
    """Tell on_release to every policy that was entered, once."""
    cdef uint16_t i
    cdef const Step* step
    for i in range(x.chain.count[<int>HOOK_RELEASE]):
        step = _step(x, HOOK_RELEASE, i)
        if step.mode != POLICY_OFF and step.index < x.entered:
            (<Policy>step.policy).on_release(x, _slot(x, step))


cdef void cancel_ticket(Exchange x, Ticket t, const Step* step) noexcept:
    """Spend a ticket and tell its policy: the last call, whose verdict is not looked at."""
    if t.spent:
        return
    t.spend(TICKET_CANCELLED)
    x.running = step.policy
    try:
        (<Policy>step.policy).on_resume(x, _slot(x, step), TICKET_CANCELLED)
    except Exception:
        _report(x, step, "on_resume")
    _drop_given(x)


cdef void cancel_hook(Exchange x, Side side, Hook hook) noexcept:
    """Whoever waits in this head hook is told that nothing will come of it."""
    cdef Ticket t = x.waits_request if side == REQUEST_SIDE else x.waits_response
    if t is None or x.run[<int>side].hook != hook:
        return
    if side == REQUEST_SIDE:
        x.waits_request = None
    else:
        x.waits_response = None
    x.run[<int>side].hook = HOOKS
    cancel_ticket(x, t, _step(x, hook, x.run[<int>side].at - 1))


cdef void cancel_tickets(Exchange x) noexcept:
    """Spend every ticket that holds a head hook or belongs to a shadow policy."""
    cdef Ticket t
    cdef list waiting = x.shadow_tickets
    if x.waits_request is not None:
        cancel_hook(x, REQUEST_SIDE, <Hook>x.run[<int>REQUEST_SIDE].hook)
    if x.waits_response is not None:
        cancel_hook(x, RESPONSE_SIDE, <Hook>x.run[<int>RESPONSE_SIDE].hook)
    if waiting is not None and x.ending:
        x.shadow_tickets = None
        for t in waiting:
            if not t.spent:
                t.spend(TICKET_CANCELLED)
                resume_shadow(x, t)
