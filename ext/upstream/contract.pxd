"""Where requests go: endpoints, how one is picked, and the connections kept to them.

An Endpoint's load and health belong to the node (shared memory later); idle connections
belong to a worker. `begin`/`end` bracket one attempt and always come in pairs. A client
that left, or an attempt that lost against another, never counts against an endpoint.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.base.span cimport Span
from fastgw.ext.io.stream cimport Stream
from fastgw.ext.io.tls.stream cimport TlsSide
from fastgw.ext.exchange.contract cimport Attempt, Exchange, Outcome


cdef class AttemptTally:
    """Told of each attempt at an endpoint; record/ implements it."""
    cdef void begun(self) noexcept
    cdef void ended(self, Reason why) noexcept


cdef class Endpoint:
    """One address of an upstream: identity is scheme, host, port and TLS identity."""
    cdef readonly str url             # as configured: http://10.0.0.1:8080
    cdef readonly str host
    cdef readonly int port            # 0 for unix
    cdef bytes authority              # what `host: upstream` sends
    cdef bytes url_text               # `url` for the log, at most 256 bytes
    cdef char address[128]            # a resolved struct sockaddr
    cdef uint32_t address_n           # its length; 0 = not resolved
    cdef uint8_t family
    cdef uint32_t weight
    cdef uint32_t in_flight           # attempts begun and not ended
    cdef int64_t passed_over_until_ms # after a failed connect; 0 = no
    cdef readonly uint64_t attempts, failures
    cdef Reason last_failure          # of the last attempt that the upstream is to blame for
    cdef uint32_t stat                # row of its counters
    cdef AttemptTally tally           # or None: nobody counts
    cdef Pool pool                    # this worker's idle connections to it
    cdef TlsSide tls                  # how TLS to it is begun; None: plain
    cdef uint8_t send_proxy           # version of the PROXY header it is sent; 0 = none

    cdef Stream new_stream(self)
    cdef void begin(self) noexcept
    cdef void end(self, const Outcome* outcome, int64_t now_ms) noexcept
    cdef void mark_failed(self, int64_t until_ms) noexcept
    cdef Span label(self) noexcept


cdef class Balancer:
    """Picks an endpoint for an exchange; never one in `tried` while another is left."""
    cdef readonly list endpoints

    cdef Endpoint pick(self, Exchange x, list tried, int64_t now_ms)


cdef class Pool:
    """Idle connections of one worker to one endpoint, newest first."""
    cdef readonly uint32_t idle       # connections waiting here
    cdef readonly uint32_t busy       # handed out
    cdef uint32_t max_idle
    cdef uint32_t idle_ms             # how long one may wait
    cdef uint32_t max_requests        # requests on one connection; 0 = no limit

    cdef object acquire(self, Attempt a)
    cdef void release(self, object connection) noexcept
    cdef void discard(self, object connection) noexcept
    cdef void trim(self) noexcept
