"""What is counted of each listener; see listener_tally.pxd."""

cimport cython
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.io.stream cimport (
    CONNECTION_EVENTS, EVENT_ADDRESS_TOO_FAST, EVENT_ADDRESS_TOO_MANY, EVENT_ADDRESS_UNCOUNTED,
    EVENT_ARRIVAL_LEFT, EVENT_ARRIVAL_TIMED_OUT, EVENT_FILE_STOP, EVENT_HANDSHAKE,
    EVENT_HANDSHAKE_LEGACY, EVENT_HANDSHAKE_RESUMED, EVENT_LIMIT_STOP, EVENT_NAME_UNKNOWN,
    EVENT_PASS_BEGUN, EVENT_PASS_ENDED, EVENT_PASS_FAILED, EVENT_PASS_IDLE,
    EVENT_PROXY_MALFORMED, EVENT_PROXY_UNTRUSTED, ConnectionEvent, Stream,
)
from fastgw.ext.record.metric_cells cimport (
    CROSSING_LISTENER_REASON, LISTENER_ADDRESS_TOO_FAST, LISTENER_ADDRESS_TOO_MANY,
    LISTENER_ADDRESS_UNCOUNTED, LISTENER_ARRIVALS_LEFT, LISTENER_ARRIVALS_TIMED_OUT,
    LISTENER_CONNECTIONS, LISTENER_FILE_STOPS, LISTENER_LIMIT_STOPS, LISTENER_OPEN_CONNECTIONS,
    LISTENER_PASSTHROUGH_CONNECTIONS, LISTENER_PASSTHROUGH_FAILURES, LISTENER_PASSTHROUGH_IDLE,
    LISTENER_PASSTHROUGH_OPEN_CONNECTIONS, LISTENER_PROXY_MALFORMED, LISTENER_PROXY_UNTRUSTED,
    LISTENER_RECEIVED_BYTES, LISTENER_SENT_BYTES, LISTENER_SERVER_NAMES_UNKNOWN,
    LISTENER_TLS_HANDSHAKES, LISTENER_TLS_LEGACY_HANDSHAKES, LISTENER_TLS_RESUMED_HANDSHAKES,
    ROW_LISTENER,
)

#: The cell that an event is counted in.
cdef int _cells[CONNECTION_EVENTS]
_cells[<int>EVENT_LIMIT_STOP] = LISTENER_LIMIT_STOPS
_cells[<int>EVENT_FILE_STOP] = LISTENER_FILE_STOPS
_cells[<int>EVENT_PROXY_UNTRUSTED] = LISTENER_PROXY_UNTRUSTED
_cells[<int>EVENT_PROXY_MALFORMED] = LISTENER_PROXY_MALFORMED
_cells[<int>EVENT_ARRIVAL_TIMED_OUT] = LISTENER_ARRIVALS_TIMED_OUT
_cells[<int>EVENT_ARRIVAL_LEFT] = LISTENER_ARRIVALS_LEFT
_cells[<int>EVENT_NAME_UNKNOWN] = LISTENER_SERVER_NAMES_UNKNOWN
_cells[<int>EVENT_ADDRESS_TOO_MANY] = LISTENER_ADDRESS_TOO_MANY
_cells[<int>EVENT_ADDRESS_TOO_FAST] = LISTENER_ADDRESS_TOO_FAST
_cells[<int>EVENT_ADDRESS_UNCOUNTED] = LISTENER_ADDRESS_UNCOUNTED
_cells[<int>EVENT_PASS_BEGUN] = LISTENER_PASSTHROUGH_CONNECTIONS
_cells[<int>EVENT_PASS_FAILED] = LISTENER_PASSTHROUGH_FAILURES
_cells[<int>EVENT_PASS_IDLE] = LISTENER_PASSTHROUGH_IDLE
_cells[<int>EVENT_PASS_ENDED] = LISTENER_PASSTHROUGH_OPEN_CONNECTIONS
_cells[<int>EVENT_HANDSHAKE] = LISTENER_TLS_HANDSHAKES
_cells[<int>EVENT_HANDSHAKE_LEGACY] = LISTENER_TLS_LEGACY_HANDSHAKES
_cells[<int>EVENT_HANDSHAKE_RESUMED] = LISTENER_TLS_RESUMED_HANDSHAKES


@cython.final
cdef class ListenerTally(ConnectionTally):
    """See listener_tally.pxd."""

    cdef void begun(self, Stream s) noexcept:
        self.cells[LISTENER_CONNECTIONS] += 1
        self.cells[LISTENER_OPEN_CONNECTIONS] += 1

    cdef void count(self, Stream s) noexcept:
        self.cells[LISTENER_RECEIVED_BYTES] += s.bytes_in - s.counted_in
        self.cells[LISTENER_SENT_BYTES] += s.bytes_out - s.counted_out
        s.counted_in, s.counted_out = s.bytes_in, s.bytes_out

    cdef void over(self, Stream s) noexcept:
        self.count(s)
        self.cells[LISTENER_OPEN_CONNECTIONS] -= 1

    cdef void happened(self, ConnectionEvent what) noexcept:
        if what == EVENT_PASS_ENDED:
            self.cells[LISTENER_PASSTHROUGH_OPEN_CONNECTIONS] -= 1
            return
        self.cells[_cells[<int>what]] += 1
        if what == EVENT_PASS_BEGUN:
            self.cells[LISTENER_PASSTHROUGH_OPEN_CONNECTIONS] += 1

    cdef void unsecured(self, Reason why) noexcept:
        cdef uint64_t* cell = self.rows.crossing(CROSSING_LISTENER_REASON, self.cells, why)
        if cell != NULL:
            cell[0] += 1


@cython.final
cdef class ListenerTallies:
    """See listener_tally.pxd."""

    def __init__(self, Rows rows not None) -> None:
        self.rows = rows
        self.tallies = {}

    cdef ListenerTally of(self, str name):
        """The tally of a listener, whose row may be another than in an earlier generation."""
        cdef ListenerTally tally = self.tallies.get(name)
        if tally is None:
            tally = self.tallies[name] = ListenerTally()
            tally.rows = self.rows
        tally.cells = self.rows.row(ROW_LISTENER, name.encode())
        return tally
