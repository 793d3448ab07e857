"""What an exchange waits for; see waiting.pxd."""

from fastgw.ext.exchange.contract cimport (
    RQ_BODY, RQ_COLLECT, RQ_HEAD, RQ_NEW, RQ_WAIT, RS_COLLECT, RS_DONE, RS_NONE, RS_RESET,
)

cdef const char* _NAMES[9]
_NAMES[0], _NAMES[1], _NAMES[2] = b"", b"request_head", b"policy"
_NAMES[3], _NAMES[4], _NAMES[5] = b"client_body", b"connect", b"upstream_room"
_NAMES[6], _NAMES[7], _NAMES[8] = b"response_head", b"response_body", b"client"


cdef const char* waiting_name(int waiting_on) noexcept nogil:
    """The name in the log; empty for nothing."""
    return _NAMES[waiting_on if 0 <= waiting_on < WAITING_ON else 0]


cdef WaitingOn _of_request(Exchange x) noexcept:
    """No response yet: what the request side waits for."""
    if x.request_state == RQ_NEW:
        return WAITS_FOR_HEAD
    if x.waits_request is not None:
        return WAITS_FOR_POLICY
    if x.request_state == RQ_HEAD:
        return WAITS_FOR_NOTHING
    if x.request_state == RQ_COLLECT:
        return WAITS_FOR_CLIENT_BODY
    if x.request_state == RQ_WAIT:
        return WAITS_FOR_CONNECT
    if x.request_state == RQ_BODY:
        return WAITS_FOR_CLIENT_BODY if x.body_asked else WAITS_FOR_UPSTREAM_ROOM
    return WAITS_FOR_RESPONSE_HEAD


cdef WaitingOn _of_response(Exchange x) noexcept:
    """The response has begun: what its side waits for."""
    if x.waits_response is not None:
        return WAITS_FOR_POLICY
    if x.upstream_asked or x.response_state == RS_COLLECT:
        return WAITS_FOR_RESPONSE_BODY
    return WAITS_FOR_CLIENT


cdef void note_waiting(Exchange x) noexcept:
    """Write it down, once: what is cut short later is a consequence."""
    if x.waiting_on != WAITS_FOR_NOTHING:
        return
    if x.response_state == RS_NONE:
        x.waiting_on = _of_request(x)
    elif x.response_state != RS_DONE and x.response_state != RS_RESET:
        x.waiting_on = _of_response(x)
