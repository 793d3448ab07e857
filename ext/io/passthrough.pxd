"""Passthrough: connections that are carried to a server as they came, TLS and all.

Nothing is ended here: the ClientHello was only looked at (doorway.pxd), so its bytes go on
like all others, by splice where both ends allow it. Each direction ends on its own.

    client  PassEnd <-- Pass --> PassEnd  server
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from fastgw.ext.base.deadlines cimport Deadline
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.io.listener cimport Acceptor
from fastgw.ext.io.stream cimport Codec, Stream


cdef class PassAcceptor(Acceptor):
    """Carries each accepted connection to one of its servers, in turn."""
    cdef readonly str name
    cdef list written                     # servers as the plan has them
    cdef dict told                        # host name -> [family, address, port], as told last
    cdef list servers                     # struct sockaddr as bytes; empty: none resolved yet
    cdef uint32_t turn                    # whose turn it is
    cdef uint8_t proxy                    # version of the PROXY header that is sent; 0 = none
    cdef uint32_t connect_ms
    cdef uint32_t idle_ms
    cdef set live                         # Pass
    cdef readonly uint64_t begun
    cdef readonly uint64_t failed         # no server took it
    cdef readonly uint64_t idle           # ended because no byte moved
    cdef readonly uint64_t bytes_in       # of clients, of those that are over
    cdef readonly uint64_t bytes_out      # of servers


cdef class PassEnd(Codec):
    """One end of it."""
    cdef Pass home
    cdef Stream stream                    # None once gone
    cdef PassEnd other
    cdef bint ended                       # its peer's FIN was passed on

    cdef void flow(self) noexcept


cdef class Pass:
    """A connection that is carried."""
    cdef PassAcceptor acceptor
    cdef PassEnd client
    cdef PassEnd server
    cdef uint8_t tries                    # servers that were tried
    cdef bint open                        # a server took it
    cdef int64_t moved_ms
    cdef Deadline deadline                # connect, then idle

    cdef void connect(self)
    cdef void opened(self) noexcept
    cdef void refused(self) noexcept
    cdef bint announce(self) noexcept
    cdef void on_deadline(self) noexcept
    cdef void set_deadline(self, uint32_t after_ms) noexcept
    cdef void over(self, PassEnd gone, Reason why) noexcept
