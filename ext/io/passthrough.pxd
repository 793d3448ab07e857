"""Passthrough: connections that are carried to a server as they came, TLS and all.

Nothing is ended here: the ClientHello was only looked at (doorway.pxd), so its bytes go on
like all others, by splice where both ends allow it. Each direction ends on its own.

    client  PassEnd <-- Pass --> PassEnd  server
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from fastgw.ext.base.deadlines cimport Deadline
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.io.listener cimport Acceptor
from fastgw.ext.io.stream cimport Codec, ConnectionEvent, ConnectionTally, Stream


cdef class PassRecorder:
    """Told of every connection that was carried, once it is over; record/ implements it."""
    cdef void record(self, Pass p) noexcept


cdef class PassAcceptor(Acceptor):
    """Carries each accepted connection to one of its servers, in turn."""
    cdef readonly str name
    cdef bytes label                      # the same for logs
    cdef list written                     # servers as the plan has them
    cdef dict told                        # host name -> [family, address, port], as told last
    cdef list servers                     # struct sockaddr as bytes; empty: none resolved yet
    cdef uint32_t turn                    # whose turn it is
    cdef uint8_t proxy                    # version of the PROXY header that is sent; 0 = none
    cdef uint32_t connect_ms
    cdef uint32_t idle_ms
    cdef list places                      # the same as text, for logs: tcp://10.0.0.1:443
    cdef bytes asked                      # name of the hello whose connection comes next
    cdef PassRecorder recorder            # or None
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
    cdef ConnectionTally tally            # of the listener, or None
    cdef PassEnd client
    cdef PassEnd server
    cdef uint8_t tries                    # servers that were tried
    cdef bint open                        # a server took it
    cdef int64_t moved_ms
    cdef Deadline deadline                # connect, then idle
    # -- for its record -----------------------------------------------------------
    cdef Stream accepted                  # the client's, also once it is gone
    cdef bytes asked                      # the name that the client's hello had
    cdef bytes where                      # the server that was tried last
    cdef int64_t begun_us                 # accepted
    cdef int64_t tried_us                 # the last server was tried
    cdef int64_t opened_us                # it took the connection; 0 = none did
    cdef uint64_t bytes_in                # from the client
    cdef uint64_t bytes_out               # to it
    cdef Reason why                       # it ended; REASON_NONE: as both sides wanted

    cdef void connect(self)
    cdef void opened(self) noexcept
    cdef void refused(self) noexcept
    cdef bint announce(self) noexcept
    cdef void on_deadline(self) noexcept
    cdef void count(self, ConnectionEvent what) noexcept
    cdef void set_deadline(self, uint32_t after_ms) noexcept
    cdef void over(self, PassEnd gone, Reason why) noexcept
