"""Tunnels; see tunnel.pxd."""

from libc.stddef cimport size_t
from fastgw.ext.base.reasons cimport (
    REASON_DRAINING, REASON_NONE, REASON_TUNNEL_BYTES, REASON_TUNNEL_IDLE, REASON_TUNNEL_LIFETIME,
    reason_row,
)
from fastgw.ext.exchange.contract cimport REQUEST_SIDE, RESPONSE_SIDE, RQ_BODY, RS_TUNNEL
from fastgw.ext.exchange.ends cimport Ends
from fastgw.ext.exchange.request_id cimport next_random
from fastgw.ext.exchange.shared cimport Shared
from fastgw.ext.http.websocket_frames cimport (
    CONTROL_MOST, frames_between, frames_pass, put_close, put_ping,
)

cdef enum:
    UNANSWERED = 2              # pings that a client may leave unanswered

cdef int64_t _NEVER = <int64_t>1 << 62


cdef class TunnelRule:
    """See tunnel.pxd. Times in milliseconds."""

    def __init__(
        self, *, uint32_t idle_ms=3_600_000, uint32_t lifetime_ms=0, uint64_t bytes=0,
        uint32_t ping_ms=0, uint32_t drain_ms=300_000, uint32_t close_ms=2_000,
    ) -> None:
        self.idle_ms, self.lifetime_ms, self.bytes = idle_ms, lifetime_ms, bytes
        self.ping_ms, self.drain_ms, self.close_ms = ping_ms, drain_ms, close_ms


cdef TunnelRule _default_rule = TunnelRule()


cdef inline int64_t _after(int64_t since_ms, uint32_t limit_ms) noexcept:
    """When a limit that began at `since_ms` is over."""
    return since_ms + limit_ms if limit_ms else _NEVER


cdef class Tunnel:
    """See tunnel.pxd."""

    # -- bytes ----------------------------------------------------------------------------

    cdef void on_chunk(self, Side side, Chunk* c) noexcept:
        """Bytes that `side` brought and that are about to be passed on: count them, and take
        away (`c.n`) what may not follow a close frame of ours. It may end the exchange."""
        cdef Exchange x = self.x
        self.moved_ms = x.engine.now_ms
        if side == REQUEST_SIDE:
            self.heard_ms = self.moved_ms
            self.unanswered = 0
        self.moved += c.n
        if self.rule.bytes and self.moved > self.rule.bytes:
            self.begin_close(REASON_TUNNEL_BYTES, CLOSE_POLICY)
        if self.why == REASON_NONE:
            frames_pass(&self.frames[<int>side], c.p, c.n, False)
        elif x.generation:
            self.pass_while_closing(side, c)

    cdef void pass_while_closing(self, Side side, Chunk* c) noexcept:
        """The frame under way may still end; then our close follows, and nothing more."""
        cdef FrameTrack* t = &self.frames[<int>side]
        cdef size_t used
        if not self.said[<int>side]:
            used = frames_pass(t, c.p, c.n, True)
            if t.left or t.head_n:
                return
            self.tell(side, c.p, used)
            self.say_close(side)
            c.p += used
            c.n -= used
        frames_pass(t, c.p, c.n, False)
        c.n = 0
        self.end_if_closed()

    cdef void tell(self, Side side, const char* p, size_t n) noexcept:
        """Pass bytes on as if `side` had brought them."""
        cdef Chunk c
        c.p, c.n, c.owner = p, n, NULL
        if n == 0 or self.x is None or self.is_over(side):
            return
        if side == REQUEST_SIDE:
            self.x.winner.send_chunk(&c, False)
        else:
            self.x.downstream.send_chunk(self.x, &c, False)

    cdef bint is_over(self, Side side) noexcept:
        """Whether that direction has ended by itself."""
        if side == REQUEST_SIDE:
            return self.x.received or self.x.request_state != RQ_BODY
        return self.x.response_state != RS_TUNNEL

    # -- time -----------------------------------------------------------------------------

    cdef void on_deadline(self) noexcept:
        """One of the limits may be reached."""
        cdef int64_t now_ms = self.x.engine.now_ms
        if self.why != REASON_NONE:
            (<Ends>self.x).break_off(self.why)
        elif now_ms >= _after(self.opened_ms, self.rule.lifetime_ms):
            self.begin_close(REASON_TUNNEL_LIFETIME, CLOSE_GOING_AWAY)
        elif self.drained_ms and now_ms >= self.drained_ms + self.rule.drain_ms:
            self.begin_close(REASON_DRAINING, CLOSE_GOING_AWAY)
        elif now_ms >= _after(self.moved_ms, self.rule.idle_ms):
            self.begin_close(REASON_TUNNEL_IDLE, CLOSE_GOING_AWAY)
        elif now_ms >= _after(max(self.heard_ms, self.pinged_ms), self.rule.ping_ms):
            self.ping()
        else:
            self.set_deadline()

    cdef void ping(self) noexcept:
        """Ask the client whether it is there; one that left the last pings unanswered is not."""
        cdef char frame[CONTROL_MOST]
        if self.unanswered >= UNANSWERED:
            self.begin_close(REASON_TUNNEL_IDLE, CLOSE_GOING_AWAY)
            return
        self.pinged_ms = self.x.engine.now_ms
        if frames_between(&self.frames[<int>RESPONSE_SIDE]):
            self.unanswered += 1
            self.tell(RESPONSE_SIDE, frame, put_ping(frame))
        self.set_deadline()

    cdef void drain(self) noexcept:
        """The worker is to end: the tunnel has `drain_ms` left."""
        if self.drained_ms == 0:
            self.drained_ms = self.x.engine.now_ms
            self.set_deadline()

    cdef void set_deadline(self) noexcept:
        """Wake up when the first of the limits could be reached."""
        cdef int64_t at_ms = _after(self.moved_ms, self.rule.idle_ms)
        if self.x is None:
            return
        if self.why != REASON_NONE:
            at_ms = self.closing_ms + self.rule.close_ms
        else:
            at_ms = min(at_ms, _after(self.opened_ms, self.rule.lifetime_ms))
            at_ms = min(at_ms, _after(max(self.heard_ms, self.pinged_ms), self.rule.ping_ms))
            if self.drained_ms:
                at_ms = min(at_ms, self.drained_ms + self.rule.drain_ms)
        if at_ms == _NEVER:
            self.x.engine.wheel.clear(&self.x.deadline)
        else:
            self.x.engine.wheel.set(&self.x.deadline, at_ms)

    # -- closing --------------------------------------------------------------------------

    cdef void begin_close(self, Reason why, uint16_t code) noexcept:
        """Say goodbye both ways, each as soon as the frame under way there has ended."""
        if self.why != REASON_NONE:
            return
        self.why, self.code = why, code
        self.closing_ms = self.x.engine.now_ms
        self.set_deadline()
        self.say_close(RESPONSE_SIDE)
        self.say_close(REQUEST_SIDE)
        self.end_if_closed()

    cdef void say_close(self, Side side) noexcept:
        """A close frame in the direction that `side` feeds, unless there is no place for one:
        in the middle of a frame, or behind the other side's own close."""
        cdef FrameTrack* t = &self.frames[<int>side]
        cdef char frame[CONTROL_MOST]
        cdef uint32_t mask = 0
        if t.left or t.head_n:
            return
        self.said[<int>side] = True
        if not frames_between(t):
            return
        if side == REQUEST_SIDE:
            mask = <uint32_t>next_random() | 1
        self.tell(side, frame, put_close(frame, self.code, mask))

    cdef bint has_closed(self, Side side) noexcept:
        """Whether nothing more is to be waited for from that side."""
        cdef FrameTrack* t = &self.frames[<int>side]
        return self.said[<int>side] and (t.closed or t.lost or self.is_over(side))

    cdef void end_if_closed(self) noexcept:
        """Over as soon as both peers have said goodbye."""
        if self.x is not None and self.has_closed(REQUEST_SIDE) and self.has_closed(RESPONSE_SIDE):
            (<Ends>self.x).break_off(self.why)


# -- its life --------------------------------------------------------------------------------

cdef void open_guard(Exchange x) noexcept:
    """The head of the answer is sent: watch what follows."""
    cdef Shared shared = <Shared>x.dispatcher
    cdef Tunnel t = Tunnel.__new__(Tunnel)
    t.x = x
    t.rule = <TunnelRule>x.tunnel_rule if x.tunnel_rule is not None else _default_rule
    t.opened_ms = t.moved_ms = t.heard_ms = x.engine.now_ms
    x.guard = t
    shared.tunnels += 1
    shared.tunnels_opened += 1
    if shared.draining:
        t.drain()
    else:
        t.set_deadline()


cdef void close_guard(Exchange x) noexcept:
    """The exchange ends. What its guard wanted is the reason, whoever was faster."""
    cdef Tunnel t = <Tunnel>x.guard
    t.x = None
    (<Shared>x.dispatcher).tunnels -= 1
    if t.why != REASON_NONE:
        x.reason = t.why
        x.decided_by = reason_row(t.why).decided_by


cdef void drain_tunnel(Exchange x) noexcept:
    """The worker is to end; nothing for an exchange that is no tunnel."""
    if x.guard is not None:
        (<Tunnel>x.guard).drain()
