"""Attempts at endpoints; see endpoint_attempt.pxd."""

cimport cython
from libc.string cimport memset
from fastgw.ext.base.debug cimport ATTEMPTS, debug_born, debug_died
from fastgw.ext.base.reasons cimport REASON_NONE, REASON_NO_ENDPOINT
from fastgw.ext.base.span cimport span
from fastgw.ext.route.plan cimport RouteRow
from fastgw.ext.route.snapshot cimport Snapshot, plan_text


@cython.no_gc
cdef class EndpointAttempt(Attempt):
    """See endpoint_attempt.pxd."""

    def __cinit__(self):
        debug_born(ATTEMPTS)

    def __dealloc__(self):
        debug_died(ATTEMPTS)

    cdef void aim(self, Exchange x, Endpoint endpoint, HostMode mode, bytes host_text) noexcept:
        """Whose attempt it is, and where; None: nowhere, it will be refused."""
        self.x = x
        self.endpoint = endpoint
        self.host_mode = mode
        self.host_text = host_text

    cdef Span host(self) noexcept:
        """What the Host field says, also after the end: an answer without a body ends its attempt
        before the exchange is told of its head."""
        if self.x is not None:
            self.said_host = self.find_host()
        return self.said_host

    cdef Span find_host(self) noexcept:
        """As the route wants it, else as the target does."""
        cdef const RouteRow* route = self.x.route
        cdef bytes text = self.host_text
        cdef int mode = self.host_mode
        if route != NULL and route.host_mode:
            mode = route.host_mode - 1
            if mode == HOST_FIXED:
                return plan_text(<Snapshot>self.x.snapshot, route.host)
        if mode == HOST_KEEP and self.x.request.authority.n:
            return self.x.request.authority
        if mode != HOST_FIXED:
            text = (<Endpoint>self.endpoint).authority
        return span(<const char*>text, len(text))

    cdef void account(self, Endpoint e) noexcept:
        """It begins at the endpoint; `end` is the other half."""
        self.begun = True
        e.begin()

    cdef void refuse(self, Reason why) noexcept:
        """Fail before there is a connection."""
        cdef Outcome outcome
        cdef Exchange x = self.x
        memset(&outcome, 0, sizeof(outcome))
        outcome.reason = why
        self.end(&outcome)
        x.on_attempt_failed(self, &outcome)

    cdef void refuse_all(self) noexcept:
        """No endpoint is left: fail as the last one that was tried, for good. Nothing was tried by
        this attempt, so it does not count."""
        cdef Exchange x = self.x
        cdef list tried = x.tried
        cdef Reason why = REASON_NO_ENDPOINT
        if self.none_left != REASON_NONE:
            why = self.none_left
        if tried:
            self.endpoint = tried[len(tried) - 1]
            why = (<Endpoint>self.endpoint).last_failure
        x.tries -= 1
        x.not_replayable = True
        self.refuse(why)

    cdef void finish(self) noexcept:
        """It ended with a whole response."""
        cdef Outcome outcome
        memset(&outcome, 0, sizeof(outcome))
        outcome.connected = outcome.sent = outcome.head_seen = True
        self.end(&outcome)

    cdef void end(self, const Outcome* outcome) noexcept:
        """Account for it, once, and let the exchange go."""
        cdef Exchange x = self.x
        self.x = None
        if self.begun:
            self.begun = False
            (<Endpoint>self.endpoint).end(outcome, x.engine.now_ms)
