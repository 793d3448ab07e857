"""Doorway: what a listener asks of a connection before it is one, and Arrival, who is asked.

    accept4 -> [PROXY header] -> limits by address -> [name of a ClientHello] -> stream

An arrival reads by looking (MSG_PEEK): only the PROXY header is taken out of the socket. So
whatever comes behind it, be it a ClientHello in the same segment, is still all there for the
stream, plain or TLS, that is made when the arrival is done.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from fastgw.ext.base.deadlines cimport Deadline
from fastgw.ext.base.networks cimport Networks
from fastgw.ext.io.connection_limit cimport ConnectionLimit
from fastgw.ext.io.engine cimport Handle
from fastgw.ext.io.listener cimport Door, Listener
from fastgw.ext.io.peer_limits cimport PeerLimits
from fastgw.ext.io.proxy_protocol cimport ProxyFacts
from fastgw.ext.io.stream cimport Address


cdef class Doorway(Door):
    cdef readonly dict options            # what it was made of
    cdef readonly bint proxy              # a PROXY header must come first
    cdef readonly Networks trusted        # who may send one, and who is not limited
    cdef readonly PeerLimits peers        # or None
    cdef dict passes                      # name (bytes), ".suffix" -> Acceptor; or None
    cdef bint terminates                  # names that do not pass are the listener's own
    cdef uint32_t timeout_ms              # accepted -> the stream is made
    cdef set arrivals
    cdef readonly uint64_t untrusted      # peers that may send no PROXY header
    cdef readonly uint64_t malformed      # PROXY headers that were none
    cdef readonly uint64_t timeouts       # arrivals that were too slow
    cdef readonly uint64_t left           # arrivals that ended before they were done
    cdef readonly uint64_t unnamed        # ClientHellos with a name that nobody takes

    cdef bint trusts(self, const Address* a) noexcept
    cdef ConnectionLimit admit(self, Listener home, const Address* client)
    cdef object taker(self, const char* name, size_t n)


cdef class Arrival(Handle):
    """A connection that was accepted and is no stream yet."""
    cdef Doorway doorway
    cdef Listener home
    cdef ConnectionLimit limit            # counted; handed to the stream
    cdef Address peer                     # who the socket says it is
    cdef Address client                   # who it is
    cdef Address local                    # which of our addresses it came to
    cdef Deadline deadline
    cdef ProxyFacts* kept                 # owned until the stream has it
    cdef bint announced                   # the PROXY header was taken
    cdef bint ended                       # nothing more will come

    cdef void look(self) noexcept
    cdef bint take_proxy(self, ssize_t n) noexcept
    cdef bint count(self) noexcept
    cdef bint take_name(self, ssize_t n) noexcept
    cdef void pass_on(self, object acceptor) noexcept
    cdef void drop(self) noexcept
    cdef void done(self) noexcept
