"""The contracts' do-nothing ends; contract.pxd is the page to read."""

from fastgw.ext.base.reasons cimport (
    REASON_CANCELLED, REASON_NONE, SIDE_UPSTREAM, reason_row,
)

from fastgw.ext.base.span cimport span
from fastgw.ext.io.tls.stream cimport new_tls_client

cdef enum:
    PASS_OVER_MS = 1000         # how long a failed connect counts against an address


cdef class AttemptTally:
    """See contract.pxd."""

    cdef void begun(self) noexcept:
        """One more is under way."""

    cdef void ended(self, Reason why) noexcept:
        """It is over; REASON_NONE: with a whole response."""


cdef class Endpoint:
    """See contract.pxd."""

    cdef Stream new_stream(self):
        """A stream for a connection to it, plain or TLS."""
        return Stream.__new__(Stream) if self.tls is None else new_tls_client(self.tls)

    cdef void begin(self) noexcept:
        """An attempt begins here."""
        self.in_flight += 1
        self.attempts += 1
        if self.tally is not None:
            self.tally.begun()

    cdef void end(self, const Outcome* outcome, int64_t now_ms) noexcept:
        """It ended; an address that could not be reached is passed over for a while."""
        self.in_flight -= 1
        if self.tally is not None:
            self.tally.ended(outcome.reason)
        if outcome.reason == REASON_NONE or outcome.reason == REASON_CANCELLED:
            if outcome.connected:
                self.passed_over_until_ms = 0
            return
        if reason_row(outcome.reason).side == SIDE_UPSTREAM:
            self.failures += 1
            self.last_failure = outcome.reason
            if not outcome.connected:
                self.mark_failed(now_ms + PASS_OVER_MS)

    cdef void mark_failed(self, int64_t until_ms) noexcept:
        """Pass it over until then, unless nothing else is left."""
        self.passed_over_until_ms = until_ms

    cdef Span label(self) noexcept:
        """Its URL as bytes that live as long as it does."""
        return span(<const char*>self.url_text, len(self.url_text))


cdef class Balancer:
    """See contract.pxd."""

    cdef Endpoint pick(self, Exchange x, list tried, int64_t now_ms):
        """An endpoint for `x`, or None when all have been tried."""
        return None


cdef class Pool:
    """See contract.pxd."""

    cdef object acquire(self, Attempt a):
        """An idle connection, or None."""
        return None

    cdef void release(self, object connection) noexcept:
        """A connection that may serve again."""

    cdef void discard(self, object connection) noexcept:
        """A connection that may not: close it, wherever it was."""

    cdef void trim(self) noexcept:
        """Close every idle connection."""
