"""The policy runner; see runner.pxd and docs/principles.md."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset
from cpython.ref cimport PyObject
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.reasons cimport (
    REASON_NONE, REASON_POLICY_FAILED, REASON_POLICY_REPLY, reason_row,
)
from fastgw.ext.exchange.contract cimport (
    HOOK_ATTEMPT, HOOK_LOG, HOOK_RELEASE, HOOK_REQUEST, HOOK_REQUEST_BODY,
    HOOK_REQUEST_CHUNK, HOOK_RESPONSE, HOOK_RESPONSE_BODY, HOOK_RESPONSE_CHUNK, HOOKS,
    POLICY_OFF, POLICY_SHADOW, REQUEST_SIDE, TICKET_CANCELLED, TICKET_DONE, TICKET_TIMEOUT,
    V_CONTINUE, V_FAILED, V_RESPOND, V_SUSPEND, Policy, Reply,
)
from fastgw.ext.http.head cimport fields_cut

#: Names of the hooks, in the order of the enum, then the one that follows a SUSPEND; for
#: logs and `would_respond`.
HOOK_NAMES: tuple[str, ...] = (
    "on_request", "on_request_chunk", "on_request_body", "on_attempt", "on_response",
    "on_response_chunk", "on_response_body", "on_log", "on_release", "on_resume",
)
cdef enum:
    ON_RESUME = HOOKS           # index of "on_resume" in HOOK_NAMES


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


cdef void _report(Exchange x, PyObject* policy, int hook) noexcept:
    """Hand the exception under way to the worker's log."""
    try:
        x.dispatcher.report_failure((<Policy>policy).name, HOOK_NAMES[hook], x)
    except Exception:
        pass


cdef void _report_misuse(Exchange x, PyObject* policy, int hook) noexcept:
    """The same for a verdict that nothing can be made of."""
    try:
        raise RuntimeError("SUSPEND without a ticket, or where it may not wait")
    except RuntimeError:
        _report(x, policy, hook)


cdef Verdict _failed(Exchange x, const Step* step, Chunk* c) noexcept:
    """What a failed policy means: `on_failure: pass` goes on, `reject` answers 500.

    A chunk that is passed goes on as it came; but after part of its output is out,
    nothing that could follow would be right."""
    memset(&x.reply, 0, sizeof(Reply))
    if step.pass_failures and (x.stage is None or not x.stage.emitted):
        x.more = False
        if c != NULL and c.n:
            x.emit(c)
        return V_CONTINUE
    x.reply.reason = REASON_POLICY_FAILED
    return V_RESPOND


cdef Verdict _settle(Exchange x, const Step* step, int hook, Verdict v, bint may_wait) noexcept:
    """Check a verdict: a SUSPEND needs a ticket, a ticket needs a SUSPEND; V_FAILED is
    what is wrong and has been reported."""
    if v == V_SUSPEND:
        if x.given is not None and may_wait:
            return v
        _report_misuse(x, step.policy, hook)
        v = V_FAILED
    _drop_given(x)
    if v == V_RESPOND and x.reply.status == 0 and x.reply.reason == REASON_NONE:
        x.reply.reason = REASON_POLICY_REPLY
    return v


cdef void _drop_given(Exchange x) noexcept:
    """Spend a ticket that was taken but not waited for."""
    if x.given is not None:
        x.given.spent = True
        x.engine.wheel.clear(&x.given.deadline)
        x.given = None


cdef Verdict _call(
    Exchange x, Hook hook, const Step* step, Attempt a, Chunk* c, bint last, bint may_wait
) noexcept:
    """One policy, one hook; exceptions end here.

    Nothing but RESPOND touches `x.reply`: on the way back it may hold the answer whose
    body is still to be sent."""
    cdef Reply kept = x.reply
    cdef Verdict v
    memset(&x.reply, 0, sizeof(Reply))
    try:
        v = _dispatch(x, hook, step, a, c, last)
    except Exception:
        _report(x, step.policy, hook)
        v = V_FAILED
    v = _settle(x, step, hook, v, may_wait)
    if v == V_FAILED:
        v = _failed(x, step, c)
    if v != V_RESPOND:
        x.reply = kept
    return v


# -- shadow ----------------------------------------------------------------------------

cdef void _note_shadow(Exchange x, PyObject* policy, int hook) noexcept:
    """Write down what a shadow policy would have answered."""
    cdef int status = x.reply.status
    if x.reply.status == 0 and x.reply.reason == REASON_NONE:
        x.reply.reason = REASON_POLICY_REPLY
    if status == 0:
        status = reason_row(x.reply.reason).status
    try:
        if x.shadow is None:
            x.shadow = {"facts": {}, "would_respond": []}
        x.shadow["would_respond"].append({
            "policy": (<Policy>policy).name,
            "hook": HOOK_NAMES[hook],
            "status": status,
            "reason": reason_row(x.reply.reason).name.decode("ascii"),
        })
    except Exception:
        pass


cdef void _keep_shadow_ticket(Exchange x, PyObject* policy, void* slot) noexcept:
    """A shadow policy waits without holding the exchange."""
    x.given.policy = policy
    x.given.slot = slot
    try:
        if x.shadow_tickets is None:
            x.shadow_tickets = []
        x.shadow_tickets.append(x.given)
        x.given = None
    except Exception:
        _drop_given(x)


# What a shadow policy may touch, as it was before.
cdef struct Marks:
    Reply reply
    bint more
    uint32_t request, response, overlay
    uint8_t* hidden


cdef Marks _mark(Exchange x, Attempt a) noexcept:
    """Remember what is there, and let the policy work on an empty reply."""
    cdef Marks m
    cdef size_t n
    m.reply = x.reply
    m.more = x.more
    m.request = x.request.fields.n
    m.response = x.response.fields.n
    m.overlay, m.hidden = 0, NULL
    if a is not None:
        m.overlay, m.hidden = a.overlay.n, a.hidden
        if a.hidden != NULL:
            n = (x.request.fields.n + 7) // 8
            a.hidden = <uint8_t*>arena_alloc(&x.arena, n)
            if a.hidden != NULL:
                memcpy(a.hidden, m.hidden, n)
    memset(&x.reply, 0, sizeof(Reply))
    x.in_shadow = True
    return m


cdef void _cut_back(Exchange x, Attempt a, const Marks* m) noexcept:
    """Undo all that was done since `_mark`."""
    _drop_given(x)
    x.in_shadow = False
    x.reply = m.reply
    x.more = m.more
    fields_cut(&x.request.fields, m.request)
    fields_cut(&x.response.fields, m.response)
    if a is not None:
        fields_cut(&a.overlay, m.overlay)
        a.hidden = m.hidden


cdef void _settle_shadow(
    Exchange x, Verdict v, const Step* step, int hook, bint may_wait
) noexcept:
    """A shadow policy's verdict: waits are kept, answers are noted, failures are answers."""
    if v == V_SUSPEND and x.given is not None and may_wait:
        _keep_shadow_ticket(x, step.policy, _slot(x, step))
        return
    if v == V_SUSPEND:
        _report_misuse(x, step.policy, hook)
    if v == V_FAILED or v == V_SUSPEND:
        if step.pass_failures:
            return
        memset(&x.reply, 0, sizeof(Reply))
        x.reply.reason = REASON_POLICY_FAILED
        v = V_RESPOND
    if v == V_RESPOND:
        _note_shadow(x, step.policy, hook)


cdef const Step* _shadow_step(Exchange x, PyObject* policy) noexcept:
    """A step of a shadow policy that waits."""
    cdef const Chain* chain = x.chain
    cdef int hook
    cdef uint16_t i
    for hook in range(<int>HOOKS):
        for i in range(chain.count[hook]):
            if chain.steps[hook][i].policy == policy:
                return &chain.steps[hook][i]
    return NULL


cdef void _call_shadow(
    Exchange x, Hook hook, const Step* step, Attempt a, Chunk* c, bint last
) noexcept:
    """Run a policy so that nothing a client or upstream can see changes."""
    cdef Marks marks = _mark(x, a)
    cdef Chunk lent
    cdef Verdict v
    if c != NULL:
        lent.p, lent.n, lent.owner = c.p, c.n, NULL
        c = &lent
    try:
        v = _dispatch(x, hook, step, a, c, last)
    except Exception:
        _report(x, step.policy, hook)
        v = V_FAILED
    _settle_shadow(x, v, step, hook, hook != HOOK_LOG)
    _cut_back(x, a, &marks)


cdef void resume_shadow(Exchange x, Ticket t) noexcept:
    """A shadow policy's ticket was fired: tell it, and let nothing come of it."""
    cdef Attempt a = x.current
    cdef const Step* step = _shadow_step(x, t.policy)
    cdef Marks marks
    cdef Verdict v
    if x.shadow_tickets is not None and t in x.shadow_tickets:
        x.shadow_tickets.remove(t)
    marks = _mark(x, a)
    try:
        v = (<Policy>t.policy).on_resume(x, t.slot, t.event)
    except Exception:
        _report(x, t.policy, ON_RESUME)
        v = V_FAILED
    if t.event == TICKET_TIMEOUT and v == V_RESPOND and step.pass_failures:
        v = V_CONTINUE
    if t.event != TICKET_CANCELLED:
        _settle_shadow(x, v, step, ON_RESUME, t.event == TICKET_DONE)
    _cut_back(x, a, &marks)


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
    cdef int side = t.side
    cdef Hook hook = <Hook>x.run[side].hook
    cdef const Step* step
    cdef Attempt a = x.current if hook == HOOK_ATTEMPT else None
    cdef Ran ran
    if hook == HOOKS:
        return RAN_ON
    step = _step(x, hook, x.run[side].at - 1)
    ran = resume_step(x, <Side>side, step, t)
    if ran == RAN_ON:
        return _walk(x, <Side>side, a)
    if ran == RAN_REPLY:
        return _turn_round(x, side)
    return ran


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
        v = _call(x, hook, step, a, NULL, False, True)
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

cdef Ran _ran(Exchange x, Side side, Verdict v) noexcept:
    """A stage's verdict; its ticket stays with the stage."""
    cdef Ticket t
    if v == V_SUSPEND:
        t = x.given
        t.side = side
        t.waiter = x.stage
        x.given = None
        x.stage.ticket = t
        return RAN_WAIT
    return RAN_REPLY if v == V_RESPOND else RAN_ON


cdef Ran run_chunk_step(Exchange x, Side side, const Step* step, Chunk* c, bint last) noexcept:
    """A chunk hook of one policy; what it emits goes to `x.stage`."""
    cdef Hook hook = HOOK_REQUEST_CHUNK if side == REQUEST_SIDE else HOOK_RESPONSE_CHUNK
    x.more = False
    if step.mode == POLICY_SHADOW:
        _call_shadow(x, hook, step, None, c, last)
        return RAN_ON
    return _ran(x, side, _call(x, hook, step, None, c, last, True))


cdef Ran run_body_step(Exchange x, Side side, const Step* step) noexcept:
    """A body hook of one policy over `x.body`."""
    cdef Hook hook = HOOK_REQUEST_BODY if side == REQUEST_SIDE else HOOK_RESPONSE_BODY
    if step.mode == POLICY_SHADOW:
        _call_shadow(x, hook, step, None, NULL, False)
        return RAN_ON
    return _ran(x, side, _call(x, hook, step, None, NULL, False, True))


cdef Ran resume_step(Exchange x, Side side, const Step* step, Ticket t) noexcept:
    """Tell one policy that waits what happened; after a timeout it may not wait again."""
    cdef bint late = t.event == TICKET_TIMEOUT
    cdef Reply kept = x.reply
    cdef Verdict v
    memset(&x.reply, 0, sizeof(Reply))
    try:
        v = (<Policy>step.policy).on_resume(x, _slot(x, step), t.event)
    except Exception:
        _report(x, step.policy, ON_RESUME)
        v = V_FAILED
    v = _settle(x, step, ON_RESUME, v, not late)
    if v == V_FAILED:
        v = _failed(x, step, NULL)
    elif v == V_RESPOND and late and step.pass_failures:
        v = V_CONTINUE          # a timeout is a failure, whatever is made of it
    if v != V_RESPOND:
        x.reply = kept
    if t.waiter is not None:
        return _ran(x, side, v)
    if v == V_SUSPEND:
        return _wait(x, side)
    return RAN_REPLY if v == V_RESPOND else RAN_ON


# -- the end ---------------------------------------------------------------------------------

cdef void run_log(Exchange x) noexcept:
    """Tell on_log, last policy first; nothing that is answered matters any more."""
    cdef Reply kept = x.reply
    cdef uint16_t i
    cdef const Step* step
    for i in range(x.chain.count[<int>HOOK_LOG]):
        step = _step(x, HOOK_LOG, i)
        if step.mode == POLICY_OFF or step.index >= x.entered:
            continue
        if step.mode == POLICY_SHADOW:
            _call_shadow(x, HOOK_LOG, step, None, NULL, False)
        else:
            _call(x, HOOK_LOG, step, None, NULL, False, False)
    x.reply = kept


cdef void release_policies(Exchange x) noexcept:
    """Tell on_release to every policy that was entered, once."""
    cdef uint16_t i
    cdef const Step* step
    for i in range(x.chain.count[<int>HOOK_RELEASE]):
        step = _step(x, HOOK_RELEASE, i)
        if step.mode != POLICY_OFF and step.index < x.entered:
            (<Policy>step.policy).on_release(x, _slot(x, step))


cdef void _cancel(Exchange x, Ticket t) noexcept:
    """Spend one ticket and tell its policy that nothing will come of it."""
    cdef const Step* step
    cdef Hook hook
    if t.spent:
        return
    t.spent = True
    t.event = TICKET_CANCELLED
    x.engine.wheel.clear(&t.deadline)
    if t.policy != NULL:
        resume_shadow(x, t)
        return
    if t.waiter is not None:
        t.waiter.cancel(t)
        return
    hook = <Hook>x.run[t.side].hook
    if hook >= HOOKS:
        return
    step = _step(x, hook, x.run[t.side].at - 1)
    x.run[t.side].hook = HOOKS
    tell_cancelled(x, step)


cdef void tell_cancelled(Exchange x, const Step* step) noexcept:
    """on_resume(CANCELLED): the last call, whose verdict is not looked at."""
    cdef Reply kept = x.reply
    try:
        (<Policy>step.policy).on_resume(x, _slot(x, step), TICKET_CANCELLED)
    except Exception:
        _report(x, step.policy, ON_RESUME)
    _drop_given(x)
    x.reply = kept


cdef void cancel_tickets(Exchange x) noexcept:
    """Spend every ticket that holds a hook or belongs to a shadow policy."""
    cdef Ticket t
    if x.waits_request is not None:
        t = x.waits_request
        x.waits_request = None
        _cancel(x, t)
    if x.waits_response is not None:
        t = x.waits_response
        x.waits_response = None
        _cancel(x, t)
    while x.shadow_tickets:
        t = <Ticket>x.shadow_tickets.pop()
        _cancel(x, t)
