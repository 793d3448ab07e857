"""What an exchange waits for: written down when it is cut short, for the log."""

from fastgw.ext.exchange.contract cimport Exchange


cdef enum WaitingOn:
    WAITS_FOR_NOTHING           # it ended as it should
    WAITS_FOR_HEAD              # the client's request head
    WAITS_FOR_POLICY            # a ticket that a policy took
    WAITS_FOR_CLIENT_BODY       # bytes of the request's body
    WAITS_FOR_CONNECT           # a connection to an upstream
    WAITS_FOR_UPSTREAM_ROOM     # the upstream to take bytes of the body
    WAITS_FOR_RESPONSE_HEAD     # the upstream's answer
    WAITS_FOR_RESPONSE_BODY     # bytes of the upstream's answer
    WAITS_FOR_CLIENT            # the client to take bytes
    WAITING_ON


cdef void note_waiting(Exchange x) noexcept
cdef const char* waiting_name(int waiting_on) noexcept nogil
