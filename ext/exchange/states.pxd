"""The two states of an exchange: which moves there are, as two tables.

    move_request(x, RQ_BODY)      the only way in which request_state changes
    move_response(x, RS_BODY)     likewise response_state

Debug builds abort at a move that is not in the table; docs/exchange-states.md is drawn
from it.
"""

from libc.stdint cimport uint16_t
from fastgw.ext.base.debug cimport debug_assert
from fastgw.ext.exchange.contract cimport (
    RQ_BODY, RQ_COLLECT, RQ_CUT, RQ_DONE, RQ_HEAD, RQ_NEW, RQ_WAIT, RS_BODY, RS_COLLECT, RS_DONE,
    RS_HEAD, RS_NONE, RS_RESET, RS_TUNNEL, Exchange, RequestState, ResponseState,
)


# Bits of the states that a request may move to from `state`.
cdef inline uint16_t request_moves(RequestState state) noexcept nogil:
    if state == RQ_NEW:         # a head, or one that is refused
        return 1 << RQ_HEAD | 1 << RQ_CUT
    if state == RQ_HEAD:        # policies; an answer of the gateway's own ends it
        return 1 << RQ_COLLECT | 1 << RQ_WAIT | 1 << RQ_DONE | 1 << RQ_CUT
    if state == RQ_COLLECT:
        return 1 << RQ_WAIT | 1 << RQ_DONE | 1 << RQ_CUT
    if state == RQ_WAIT:        # WAIT again: that attempt failed before it took the head
        return 1 << RQ_WAIT | 1 << RQ_BODY | 1 << RQ_DONE | 1 << RQ_CUT
    if state == RQ_BODY:        # WAIT: the attempt failed, the request is sent again
        return 1 << RQ_WAIT | 1 << RQ_DONE | 1 << RQ_CUT
    if state == RQ_DONE:        # WAIT: sent again, or a rival; BODY: a tunnel
        return 1 << RQ_WAIT | 1 << RQ_BODY | 1 << RQ_CUT
    return 0


# Bits of the states that a response may move to from `state`.
cdef inline uint16_t response_moves(ResponseState state) noexcept nogil:
    if state == RS_NONE:
        return 1 << RS_HEAD | 1 << RS_RESET
    if state == RS_HEAD:        # HEAD again: a late reply takes its place
        return 1 << RS_HEAD | 1 << RS_COLLECT | 1 << RS_BODY | 1 << RS_TUNNEL | 1 << RS_RESET
    if state == RS_COLLECT:
        return 1 << RS_HEAD | 1 << RS_BODY | 1 << RS_RESET
    if state == RS_BODY or state == RS_TUNNEL:
        return 1 << RS_DONE | 1 << RS_RESET
    return 0


cdef inline void move_request(Exchange x, RequestState to) noexcept:
    """The request side goes on to another state."""
    debug_assert(request_moves(x.request_state) >> <int>to & 1)
    x.request_state = to


cdef inline void move_response(Exchange x, ResponseState to) noexcept:
    """The response side goes on to another state."""
    debug_assert(response_moves(x.response_state) >> <int>to & 1)
    x.response_state = to
