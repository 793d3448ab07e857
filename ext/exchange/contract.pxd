"""Who tells whom: the contracts of the data plane, on one page.

    Downstream --told--> Exchange --tells--> Attempt
    Downstream <-tells-- Exchange <--told--- Attempt

`on_x` = told, `send_x` = tell, `ask_x` = request, `try_x` never waits. They stand in one
file because they name each other and Cython wants such types declared together; each is
implemented elsewhere (exchange/exchange.pyx, downstream/, target/, upstream/, policy/).

Backpressure, the whole of it: whoever takes a chunk answers whether there is room for
another. "No" is `ask_body(off)`: the teller delivers nothing more of that body until it
is told `ask_body(on)` (a Downstream or Attempt), `on_room` or `on_attempt_room` (the
exchange). Before the first `ask_body(on)` a Downstream delivers no body at all; an
Attempt delivers its body at once unless it is told `ask_body(off)` within
`on_response_head`. A chunk that was delivered is taken, whatever the answer. Trailers
follow the last chunk without being asked for, and stand in the exchange's arena.

Where nobody looks at the rest of a response's body, an Attempt may send it past the
exchange: it asks `relay_to` for a stream, has the engine move the bytes there (io/relay)
and tells `on_relayed` of each share. The chunk that is `last` follows as always, empty.

Ends: a Downstream hears exactly one of `finish` and `reset`, or says `on_gone`. `finish`
comes when the answer is whole and the request is, too, or its rest is not wanted: what
is still to come of it is the Downstream's to read away. An Attempt that takes no more of
the request while its answer goes on says `on_enough`; one whose answer is whole, and
whose connection then ends before the request did, says `on_attempt_failed`, which is
no failure then. It hears `cancel` unless both its sides are whole.

A tunnel is asked for by `protocol` and a head without a body (BODY_NONE, `last`), in h2
too; what the client sends before `open_tunnel` is kept by its Downstream. The attempt
accepts by setting `x.tunnel` before `on_response_head`. Then each direction ends by a
chunk that is `last`, on its own.

Calls nest: `Attempt.begin` may tell `on_attempt_ready` before it returns, `send_chunk`
may end the exchange. After telling anything, look at your own state again: `generation`
is 0 once the exchange is over. Whatever the exchange lets go of (itself, a Downstream,
an Attempt, the snapshot) lives until the engine's turn ends, so that a call under way in
it can return.
"""

cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from cpython.ref cimport PyObject
from fastgw.ext.base.arena cimport Arena
from fastgw.ext.base.buffers cimport Buffer, Chunk
from fastgw.ext.base.deadlines cimport Deadline
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.base.span cimport Span
from fastgw.ext.http.head cimport Fields, RequestHead, ResponseHead
from fastgw.ext.io.engine cimport Engine
from fastgw.ext.io.stream cimport Facts, Stream
from fastgw.ext.route.plan cimport RouteRow, Timeouts


# -- verdicts and hooks --------------------------------------------------------------

cdef enum Verdict:
    V_FAILED = -1               # an exception is set; only the runner looks at it
    V_CONTINUE = 0              # go on with the next policy
    V_RESPOND = 1               # x.reply is filled: turn round here
    V_SUSPEND = 2               # a ticket is out; on_resume is called once

cdef enum Hook:
    HOOK_REQUEST, HOOK_REQUEST_CHUNK, HOOK_REQUEST_BODY, HOOK_ATTEMPT
    HOOK_RESPONSE, HOOK_RESPONSE_CHUNK, HOOK_RESPONSE_BODY, HOOK_LOG, HOOK_RELEASE
    HOOKS

cdef enum BodyMode:
    MODE_NONE                   # bytes pass untouched
    MODE_STREAM                 # the chunk hook sees them as they come
    MODE_WHOLE                  # the body hook sees them all at once, up to a limit

cdef enum PolicyMode:
    POLICY_ENFORCE
    POLICY_SHADOW               # runs, but nothing a client or upstream can see changes
    POLICY_OFF

cdef enum TicketEvent:
    TICKET_DONE                 # what was waited for is there
    TICKET_TIMEOUT              # the ticket's deadline passed
    TICKET_CANCELLED            # the exchange ended, or turned round

cdef enum Side:
    REQUEST_SIDE
    RESPONSE_SIDE


# One policy's entry in a hook's array.
cdef struct Step:
    PyObject* policy            # Policy, borrowed from the snapshot
    uint16_t index              # the policy's place in the chain
    uint8_t mode                # PolicyMode
    uint8_t pass_failures       # on_failure: pass


# The policies of a route, compiled to one flat array a hook. Response hooks are walked from
# the last entered policy to the first.
cdef struct Chain:
    uint16_t n                  # policies in the chain
    uint16_t count[9]           # steps a hook
    Step* steps[9]
    uint32_t slots_size         # bytes of per-request state for all of them
    uint32_t* slot_at           # offset of each policy's state
    uint8_t body_mode[2]        # BodyMode a side: the most that any policy asks for
    size_t body_limit[2]        # the least WHOLE limit a side


# How an attempt ended without (or before) being accepted.
cdef struct Outcome:
    Reason reason
    uint8_t connected           # a connection was there
    uint8_t reused              # it came from the pool
    uint8_t sent                # the upstream may have accepted bytes of the request
    uint8_t head_seen           # a byte of the response was received
    uint8_t peer_closed_first   # the peer had closed before any byte was sent


# An answer that does not come from an upstream. All memory is the exchange's.
cdef struct Reply:
    uint16_t status             # 0 = no reply
    Reason reason
    Fields fields               # besides Content-Length and what the codec adds
    Span body
    uint8_t plain               # send as it is: no error page is made of it


# Microseconds of the engine's clock; 0 = did not happen.
cdef struct Times:
    int64_t begin               # first byte of the request's head
    int64_t head                # head whole
    int64_t attempt             # last attempt opened
    int64_t ready               # its connection was there
    int64_t response            # response head accepted
    int64_t end


# How far a side's hook has come; the runner's business.
cdef struct Run:
    uint8_t hook                # Hook under way; HOOKS = none
    uint16_t at                 # steps of the hook that are done


cdef class Tally:
    """What a worker counts though no exchange is left to count it."""
    cdef readonly uint64_t tickets_stale


cdef class Ticket:
    """A promise to wake an exchange exactly once: done, timeout or cancelled.

    Whoever fires a ticket that is spent, or whose exchange has gone on, gets False and
    is counted (`tickets_stale`). One fired before the hook that took it has returned
    SUSPEND is dealt with when it returns."""
    cdef Exchange x                   # None once spent and dealt with
    cdef Tally tally
    cdef uint64_t generation
    cdef Deadline deadline
    cdef object waiter                # exchange/stage.Stage that waits; None = a head hook
    cdef const Step* step             # of the shadow policy that waits; NULL = it holds `side`
    cdef uint8_t hook                 # Hook in which the shadow policy began to wait
    cdef uint8_t side                 # Side
    cdef bint spent
    cdef readonly TicketEvent event

    cdef bint fire(self, TicketEvent event) noexcept
    cdef void spend(self, TicketEvent event) noexcept


# -- the client's side ---------------------------------------------------------------

cdef class Downstream:
    """One request of a client, as its codec sees it (h1, h2, internal).

    Owns the framing and the window. After `finish` or `reset` the exchange says nothing
    more, and must be told nothing more."""
    cdef Facts* facts                 # of the connection; NULL for internal ones

    cdef void send_head(self, Exchange x, bint last) noexcept
    cdef void send_informational(self, Exchange x, ResponseHead* head) noexcept
    cdef bint send_chunk(self, Exchange x, Chunk* c, bint last) noexcept
    cdef Stream relay_end(self)       # takes the rest of the body as it is; None: framed
    cdef void send_trailers(self, Exchange x, Fields* trailers) noexcept
    cdef void ask_body(self, Exchange x, bint on) noexcept
    cdef void open_tunnel(self, Exchange x) noexcept
    cdef void reset(self, Exchange x, Reason why) noexcept
    cdef void finish(self, Exchange x) noexcept


# -- the exchange --------------------------------------------------------------------

cdef enum RequestState:
    RQ_NEW                      # no head yet
    RQ_HEAD                     # head there; route and request policies at work
    RQ_COLLECT                  # body being read whole, before an attempt is opened
    RQ_WAIT                     # an attempt is opening
    RQ_BODY                     # body flows to the attempt
    RQ_DONE                     # the last byte or trailer was handed on
    RQ_CUT                      # the rest is not wanted: answered early, or broken

cdef enum ResponseState:
    RS_NONE                     # nothing yet
    RS_HEAD                     # head there; response policies at work
    RS_COLLECT                  # body being read whole, before the head is sent
    RS_BODY                     # head sent, body flows to the client
    RS_DONE                     # the last byte or trailer was handed on
    RS_TUNNEL                   # head sent, opaque chunks both ways
    RS_RESET                    # ended without being whole


@cython.no_gc
cdef class Exchange:
    """One request and its answer: the record every part of the gateway works on.

    Told by its Downstream and its Attempts; two states, each changed in one place
    (exchange/exchange.pyx), because an answer may begin, and end, before the request did.
    """
    # -- identity and place -----------------------------------------------------------
    cdef Engine engine
    cdef readonly uint64_t generation # unique in this worker; 0 once the exchange is over
    cdef object snapshot              # pinned route/snapshot.Snapshot; None in a tunnel
    cdef list pins                    # in a tunnel: the policies kept in the snapshot's place
    cdef const RouteRow* route        # NULL until matched
    cdef uint32_t matched             # route/plan.ExtraRow of the match, or NOTHING
    cdef const Chain* chain           # the route's policies; NULL until matched
    cdef const Timeouts* timeouts     # the route's, or the listener's until matched
    cdef const Facts* facts           # of the client's connection; NULL for internal ones
    cdef Downstream downstream
    cdef object dispatcher            # exchange/exchange.Dispatcher: what the worker shares
    # -- heads ---------------------------------------------------------------------------
    cdef Arena arena
    cdef RequestHead request          # frozen once an attempt is open
    cdef ResponseHead response        # the accepted attempt's, then edited by policies
    cdef Span forward_path            # path after rewriting; the query follows it as it is
    cdef char request_id[40]          # NUL-terminated
    cdef uint8_t request_id_n
    cdef bint trusted                 # the peer is in trusted_proxies
    cdef Span protocol                # "websocket": a tunnel is asked for; else empty
    cdef Span route_name              # for the record; outlives the snapshot in a tunnel
    cdef uint64_t* cells              # of the route's row; NULL: no route, or nobody counts
    # -- states ----------------------------------------------------------------------------
    cdef readonly RequestState request_state               # moved by exchange/states only
    cdef readonly ResponseState response_state
    cdef bint head_last               # the request had no body
    cdef bint body_wanted             # ask_body(on) was said at least once (meets Expect)
    cdef bint received                # the request's last byte or trailer came in
    cdef bint ending                  # `end` is at work: nothing may be begun any more
    cdef bint body_asked              # what the downstream was last told by ask_body
    cdef bint upstream_asked          # what the winner was last told by ask_body
    cdef bint tunnel                  # the target answered with a tunnel
    cdef object tunnel_rule           # exchange/tunnel.TunnelRule of who allowed it, or None
    cdef object guard                 # exchange/tunnel.Tunnel once it is open, or None
    # -- policies ----------------------------------------------------------------------------
    cdef char* slots                  # chain.slots_size bytes, zeroed
    cdef uint16_t entered             # policies whose on_request has run or is running
    cdef Run run[2]                   # a Side each: both may be under way
    cdef Ticket waits_request         # ticket that holds the request side, or None
    cdef Ticket waits_response        # ticket that holds the response side, or None
    cdef Ticket given                 # taken by the hook that is running, or None
    cdef bint more                    # set by a chunk hook that has more to give
    cdef bint bare_reply              # a late reply: body policies don't see it
    cdef bint in_shadow               # the hook that is running is a shadow policy's
    cdef object stage                 # exchange/stage.Stage whose hook is running, or None
    cdef PyObject* running            # Policy whose hook was called last, borrowed
    cdef Reply reply
    cdef dict provided                # facts that policies provide, or None
    cdef dict shadow                  # {"facts": {}, "would_respond": [...]}, or None
    cdef list shadow_tickets          # out for shadow policies, or None
    cdef object views                 # policy/python: live Python views, or None
    # -- attempts ----------------------------------------------------------------------------
    cdef Target target
    cdef Attempt winner               # its response head was accepted
    cdef Attempt current              # the newest under way; the request's body goes to it
    cdef list rivals                  # older ones still under way, or None
    cdef uint8_t tries                # attempts opened
    cdef list tried                   # endpoints that could not be reached, or None
    cdef object endpoint              # of the attempt that was told of last, for the record
    cdef bint fresh_only              # the next attempt must not use a pooled connection
    cdef bint not_replayable          # more of the body went out than the replay holds
    cdef bint response_last           # the response has no body
    cdef object replay                # exchange/replay.Replay, or None
    # -- bodies ------------------------------------------------------------------------------
    cdef object pipes                 # exchange/pipe.Pipes when bytes don't just pass; else None
    cdef bint awaits_continue         # Expect was passed on: ask for the body after a 100
    cdef Span body                    # what a WHOLE hook sees, and may replace
    cdef uint64_t request_bytes       # of body, as received
    cdef uint64_t response_bytes      # of body, as sent
    # -- the record ----------------------------------------------------------------------------
    cdef Times times
    cdef Reason reason                # why it ended as it did; 0 = answered by the upstream
    cdef uint8_t decided_by           # who said so (reasons.pxd DecidedBy)
    cdef uint8_t waiting_on           # what it waited for when it was cut short (waiting.pxd)
    cdef Deadline deadline            # whole request, body idle, idle: one at a time

    # -- told by the Downstream ----------------------------------------------------------------
    cdef void on_request_head(self, bint last) noexcept
    cdef void on_refused(self, Reason why) noexcept  # of the head, or later of the body
    cdef void on_body_waiting(self) noexcept
    cdef bint on_request_chunk(self, Chunk* c, bint last) noexcept
    cdef void on_request_trailers(self, Fields* trailers) noexcept
    cdef void on_room(self) noexcept
    cdef void on_gone(self, Reason why) noexcept
    # -- told by an Attempt ----------------------------------------------------------------------
    cdef void on_attempt_ready(self, Attempt a) noexcept
    cdef void on_attempt_room(self, Attempt a) noexcept
    cdef void on_informational(self, Attempt a, ResponseHead* head) noexcept
    cdef void on_response_head(self, Attempt a, bint last) noexcept
    cdef bint on_response_chunk(self, Attempt a, Chunk* c, bint last) noexcept
    cdef Stream relay_to(self, Attempt a)
    cdef void on_relayed(self, Attempt a, uint64_t n, bint held) noexcept
    cdef void on_response_trailers(self, Attempt a, Fields* trailers) noexcept
    cdef void on_enough(self, Attempt a) noexcept
    cdef void on_attempt_failed(self, Attempt a, const Outcome* outcome) noexcept
    # -- told by others --------------------------------------------------------------------------
    cdef void on_ticket(self, Ticket t) noexcept
    cdef void on_sink_room(self, Sink sink) noexcept
    cdef void on_deadline(self, int kind) noexcept
    # -- what policies call ------------------------------------------------------------------------
    cdef Ticket take_ticket(self, uint32_t timeout_ms)
    cdef void emit(self, Chunk* c) noexcept
    cdef bint replace_body(self, const char* p, size_t n) noexcept
    cdef void provide(self, str name, object value)
    cdef void add_sink(self, Side side, Sink sink)
    cdef void remove_sink(self, Sink sink) noexcept
    cdef bint open_another(self) noexcept


# -- what answers --------------------------------------------------------------------

cdef enum RetryRule:
    RETRY_NEVER
    RETRY_SAFE                  # reasons.toml: unsent always, idempotent methods once more


cdef class Target:
    """What answers a route's requests; one object per distinct options, shared by routes."""
    cdef readonly str name
    cdef BodyMode body_mode           # MODE_STREAM or MODE_WHOLE
    cdef size_t body_limit            # with MODE_WHOLE
    cdef RetryRule retry_rule
    cdef uint8_t max_tries            # attempts an exchange may open
    cdef uint64_t* cells              # of the upstream's row; NULL: nobody counts

    cdef bint available(self, Exchange x) noexcept   # an attempt would have somewhere to go
    cdef Attempt open(self, Exchange x)   # an exception is answered 500 `internal`


cdef class Attempt:
    """One try at an answer. Made by `Target.open`; `begin` sets it going.

    Tells its exchange `on_attempt_ready` (perhaps within `begin`) before it takes a head,
    and exactly one of: a whole response, `on_attempt_failed`, or nothing after `cancel`.
    Its response head is in `response`, made with the exchange's arena."""
    cdef Exchange x                   # None once it is over
    cdef Fields overlay               # on_attempt's edits over the exchange's frozen head
    cdef uint8_t* hidden              # bit per row of the frozen head; NULL = none removed
    cdef ResponseHead response
    cdef uint64_t accepted            # bytes of the request that the kernel took
    cdef bint head_seen
    cdef bint sent_last               # the request went out whole
    cdef object endpoint              # upstream/endpoint.Endpoint, or None

    cdef void begin(self) noexcept
    cdef void send_head(self, bint last) noexcept
    cdef bint send_chunk(self, Chunk* c, bint last) noexcept
    cdef void send_trailers(self, Fields* trailers) noexcept
    cdef void ask_body(self, bint on) noexcept
    cdef void open_tunnel(self) noexcept
    cdef void cancel(self, Reason why) noexcept
    cdef Span host(self) noexcept     # what the other side is called; empty = nothing


# -- policies ------------------------------------------------------------------------

cdef class Policy:
    """What a route does besides forwarding; one immutable object per distinct options.

    Per-request state lives in the slot (`slot_size` bytes, zeroed) handed to every
    hook. Hooks that a class overrides are named in `hooks`; others cost nothing. An
    exception means V_FAILED and is dealt with by the runner.

    A chunk handed to a chunk hook is lent, even with an owner. `x.emit` never takes a
    reference over: it copies lent bytes and holds counted ones. A chunk hook that
    suspended and emitted nothing by the end of its on_resume passes its chunk on as it
    came."""
    cdef readonly str name            # identity: name + kind
    cdef readonly str kind
    cdef readonly uint32_t hooks      # bit per Hook
    cdef uint32_t slot_size
    cdef uint8_t body_mode[2]         # BodyMode a Side
    cdef size_t body_limit[2]
    cdef bint changes_length[2]       # a Side: what it emits may differ in length
    cdef uint32_t timeout_ms          # how long it may be suspended

    cdef Verdict on_request(self, Exchange x, void* slot) except V_FAILED
    cdef Verdict on_resume(self, Exchange x, void* slot, TicketEvent event) except V_FAILED
    cdef Verdict on_request_chunk(
        self, Exchange x, void* slot, Chunk* c, bint last
    ) except V_FAILED
    cdef Verdict on_request_body(self, Exchange x, void* slot) except V_FAILED
    cdef Verdict on_attempt(self, Exchange x, void* slot, Attempt a) except V_FAILED
    cdef Verdict on_response(self, Exchange x, void* slot) except V_FAILED
    cdef Verdict on_response_chunk(
        self, Exchange x, void* slot, Chunk* c, bint last
    ) except V_FAILED
    cdef Verdict on_response_body(self, Exchange x, void* slot) except V_FAILED
    cdef Verdict on_log(self, Exchange x, void* slot) except V_FAILED
    cdef void on_release(self, Exchange x, void* slot) noexcept


# -- pipes ---------------------------------------------------------------------------

cdef enum SinkRule:
    SINK_HOLDS                  # brakes the source
    SINK_DROPS                  # past its bound it is cut off and told
    SINK_COMPLETES              # holds, and keeps the source going when alone


cdef class Sink:
    """Where a pipe's chunks go."""
    cdef SinkRule rule
    cdef size_t bound                 # with SINK_DROPS: bytes it may be behind

    cdef bint on_chunk(self, Chunk* c, bint last) noexcept
    cdef void on_trailers(self, Fields* trailers) noexcept
    cdef void on_cut(self, Reason why) noexcept
