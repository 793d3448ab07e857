"""Load: connections that send a script's requests, and what became of each.

One thread, one epoll set, edge-triggered. Closed loop (`rate` 0): a connection sends again as
soon as it was answered. Open loop: request k is due at begin + k/rate whatever happened
before, and its latency counts from when it was due, also if it had to wait for a free
connection (corrected for coordinated omission).

`run` lasts until nothing is in flight, so that the CPU time of whoever answers, read before
and after, belongs to exactly the requests that were counted.
"""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from fastgw.ext.io.syscalls cimport sockaddr_storage, socklen_t
from fastgw.ext.load.answer cimport Events
from fastgw.ext.load.connection cimport Conn, Flight
from fastgw.ext.load.free_list cimport FreeList
from fastgw.ext.load.histogram cimport Counts, Histogram
from fastgw.ext.load.pace cimport Pace
from fastgw.ext.load.script cimport Script, Step
from fastgw.ext.load.tls_client cimport TlsClient


cdef struct Tally:
    uint64_t done               # right answers, or events
    uint64_t connect_errors
    uint64_t tls_errors
    uint64_t status_errors      # of answers that are whole but have another status
    uint64_t body_errors
    uint64_t resets             # connections that ended within an answer
    uint64_t timeouts
    uint64_t unsent             # due, and never sent: no connection became free in time
    uint64_t reopened           # connections that the peer ended between requests
    uint64_t handshakes         # of TLS
    uint64_t resumed
    uint64_t bytes_in


@cython.final
cdef class Load:
    cdef readonly Histogram latency     # ns, from when a request was due to the end of its answer
    cdef readonly Histogram service     # ns, from when it was sent
    cdef Counts* latency_h
    cdef Counts* service_h
    cdef Script script
    cdef TlsClient tls                  # or None
    cdef bint has_tls
    cdef bytes upgrade                  # WebSocket: the handshake's request
    cdef Step upgrade_step
    cdef bint has_events
    cdef Events events
    cdef Conn* conns
    cdef Flight* flights
    cdef char* rooms
    cdef char* scratch
    cdef int count, depth, ep
    cdef Pace pace
    cdef bint closing                   # a connection for each request
    cdef bint timed                     # open loop: by rate, or by the script's times
    cdef int64_t timeout_ns
    cdef sockaddr_storage target
    cdef socklen_t target_n
    cdef FreeList free
    cdef Tally n
    cdef uint64_t issued, flying        # requests begun in this phase; under way
    cdef int64_t last_ns                # the end of the last answer
    cdef bint stopping                  # no new requests
    cdef bint halted                    # `halt` was called, or a signal came
    cdef bint interrupted

    cdef void open_conn(self, Conn* c) noexcept nogil
    cdef void close_conn(self, Conn* c) noexcept nogil
    cdef void ready(self, Conn* c) noexcept nogil
    cdef void issue(self, Conn* c, int64_t due, int64_t now) noexcept nogil
    cdef void issue_due(self, int64_t now) noexcept nogil
    cdef void refill(self, Conn* c) noexcept nogil
    cdef const Step* step_of(self, Conn* c, uint32_t i) noexcept nogil
    cdef void flush(self, Conn* c) noexcept nogil
    cdef void flush_tls(self, Conn* c) noexcept nogil
    cdef void sent(self, Conn* c, size_t n) noexcept nogil
    cdef void fail(self, Conn* c, uint64_t* kind) noexcept nogil
    cdef void finish(self, Conn* c) noexcept nogil
    cdef void on_event(self, Conn* c, unsigned int events) noexcept nogil
    cdef void on_connected(self, Conn* c) noexcept nogil
    cdef void shake(self, Conn* c) noexcept nogil
    cdef void begin_http(self, Conn* c) noexcept nogil
    cdef void readable(self, Conn* c, bint ending) noexcept nogil
    cdef void on_end(self, Conn* c) noexcept nogil
    cdef bint take(self, Conn* c, const char* p, size_t n) noexcept nogil
    cdef bint on_answer(self, Conn* c, size_t more) noexcept nogil
    cdef bint take_upgrade(self, Conn* c, const char* p, size_t n) noexcept nogil
    cdef bint keep(self, Conn* c, const char* p, size_t n) noexcept nogil
    cdef void tidy(self, int64_t now) noexcept nogil
    cdef void phase(self, int64_t length_ns) noexcept nogil
    cdef bint is_over(self, int64_t now) noexcept nogil
