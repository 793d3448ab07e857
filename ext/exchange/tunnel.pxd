"""Tunnels: what a route allows one, and what watches it while it is open.

The codecs carry a tunnel's bytes; its *guard* counts along. It knows when bytes moved, how
many there were, and where frames of a WebSocket end, so that what the gateway has to say
itself (a ping, a close) stands between two frames and never inside one.

Whoever allows tunnels on a route sets `x.protocol` and `x.tunnel_rule` in a request hook. A
tunnel without a rule gets the default one.

    open -> closing -> over      closing: a close frame goes out both ways as soon as each
                                 direction is between frames; over when both peers said
                                 theirs, or after `close_ms`
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Exchange, Side
from fastgw.ext.http.websocket_frames cimport FrameTrack


cdef enum CloseCode:
    CLOSE_GOING_AWAY = 1001     # RFC 6455 section 7.4.1
    CLOSE_POLICY = 1008


cdef class TunnelRule:
    """Limits of a route's tunnels; 0 = none."""
    cdef readonly uint32_t idle_ms        # a byte moved, either way -> the next one
    cdef readonly uint32_t lifetime_ms    # opened -> closed
    cdef readonly uint64_t bytes          # both directions together
    cdef readonly uint32_t ping_ms        # nothing heard of the client -> a ping to it
    cdef readonly uint32_t drain_ms       # the worker drains -> closed
    cdef readonly uint32_t close_ms       # close frames sent -> connections closed


cdef class Tunnel:
    """The guard of an open tunnel."""
    cdef Exchange x                       # None once over
    cdef TunnelRule rule
    cdef FrameTrack frames[2]             # a Side each: what it brings
    cdef bint said[2]                     # a Side each: nothing more is passed on of it
    cdef Reason why                       # why it is closing; NONE = open
    cdef uint16_t code                    # CloseCode that is told
    cdef uint64_t moved                   # bytes so far, both directions
    cdef int64_t opened_ms
    cdef int64_t moved_ms                 # bytes, either way
    cdef int64_t heard_ms                 # bytes of the client
    cdef int64_t pinged_ms
    cdef int64_t drained_ms               # when the worker began to drain; 0 = it doesn't
    cdef int64_t closing_ms
    cdef uint32_t unanswered              # pings since the client was heard

    cdef void on_chunk(self, Side side, Chunk* c) noexcept
    cdef void pass_while_closing(self, Side side, Chunk* c) noexcept
    cdef void tell(self, Side side, const char* p, size_t n) noexcept
    cdef bint is_over(self, Side side) noexcept
    # -- time -----------------------------------------------------------------------------
    cdef void on_deadline(self) noexcept
    cdef void ping(self) noexcept
    cdef void drain(self) noexcept
    cdef void set_deadline(self) noexcept
    # -- closing --------------------------------------------------------------------------
    cdef void begin_close(self, Reason why, uint16_t code) noexcept
    cdef void say_close(self, Side side) noexcept
    cdef bint has_closed(self, Side side) noexcept
    cdef void end_if_closed(self) noexcept


cdef void open_guard(Exchange x) noexcept
cdef void close_guard(Exchange x) noexcept
cdef void drain_tunnel(Exchange x) noexcept
