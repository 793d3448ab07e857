"""TlsAcceptor: accepted connections shake hands, then go on to the acceptor behind it.

Until then a connection is a *greeter*: it costs a stream and a deadline, and the session only
once its hello is whole. Greeters are bounded, in all and for each address: past the bound the
oldest one has to go, so that a flood of half-open handshakes never keeps a new client out.
"""

from libc.stdint cimport uint32_t, uint64_t
from fastgw.ext.base.deadlines cimport Deadline
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.io.listener cimport Acceptor
from fastgw.ext.io.stream cimport Codec
from fastgw.ext.io.tls.server cimport TlsServer
from fastgw.ext.io.tls.stream cimport TlsStream


cdef class Greeter(Codec):
    """A connection whose handshake is under way."""
    cdef TlsAcceptor home
    cdef TlsStream stream
    cdef Deadline deadline            # accepted -> handshake done
    cdef Greeter older                # neighbours in the order of arrival
    cdef Greeter newer
    cdef bytes address                # what `by_address` counts by


cdef class TlsAcceptor(Acceptor):
    cdef Acceptor behind              # gets the streams that are open
    cdef TlsServer server             # for new connections
    cdef object log                   # called with (event, details), or None
    cdef long logged_ms               # time of the last log line
    cdef Greeter oldest
    cdef Greeter newest
    cdef dict by_address              # bytes -> greeters
    cdef readonly uint32_t greeting   # greeters now
    cdef readonly uint64_t handshakes # that were done
    cdef readonly uint64_t resumed    # of them, by a ticket
    cdef readonly uint64_t failures
    cdef readonly uint64_t timeouts   # greeters that were too slow, or made room

    cdef void enter(self, Greeter g) noexcept
    cdef void leave(self, Greeter g) noexcept
    cdef void make_room(self, Greeter g) noexcept
    cdef void drop(self, Greeter g, Reason why) noexcept
    cdef void opened(self, Greeter g) noexcept
    cdef void gone(self, Greeter g, Reason why) noexcept
    cdef void count(self, TlsStream s) noexcept
    cdef void tell(self, Greeter g) noexcept
