"""Listener: accepts connections and hands each, as a stream, to its acceptor.

A listening socket is watched level-triggered; a bounded number is accepted in a turn. At
the connection limit, or when descriptors run out, it stops accepting and the kernel's
queue waits: nobody is accepted only to be closed.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from fastgw.ext.base.deadlines cimport Deadline
from fastgw.ext.io.connection_limit cimport ConnectionLimit
from fastgw.ext.io.engine cimport Engine, Handle
from fastgw.ext.io.stream cimport Address, ConnectionEvent, ConnectionTally, Stream
from fastgw.ext.io.syscalls cimport sockaddr


cdef class Acceptor:
    """Makes what sits above an accepted stream."""
    cdef Stream new_stream(self)
    cdef void on_accept(self, Stream s) noexcept


cdef class Door:
    """Asks accepted connections something before they become streams; see doorway.pxd."""
    cdef bint receive(self, Listener home, int fd, const Address* peer) noexcept


cdef class Listener(Handle):
    cdef Acceptor acceptor
    cdef Door door                    # stands before the acceptor, or None
    cdef ConnectionLimit limit
    cdef ConnectionTally tally        # told of its connections, or None
    cdef object log                   # called with (event, details), or None
    cdef public uint16_t index        # into the plan's listeners; another plan, another index
    cdef Address local                # what it is bound to
    cdef bint wildcard                # bound to any address: the local one is not known
    cdef bint shared                  # other processes accept from the same socket
    cdef bint held                    # not accepting because it was told to (`pause`)
    cdef Deadline retry               # goes on after descriptors ran out
    cdef int share                    # connections to try for in the next turn
    cdef int64_t logged_ms            # time of the last log line
    cdef readonly uint64_t accepted
    cdef readonly uint64_t at_limit   # times it stopped at the connection limit
    cdef readonly uint64_t no_files   # times it stopped for want of descriptors or memory
    cdef readonly uint64_t aborted    # connections that were gone before they were accepted

    cdef bint accept_one(self) noexcept
    cdef bint welcome(self, int fd, const sockaddr* peer) noexcept
    cdef bint begin(
        self, int fd, const Address* peer, const Address* client, const Address* local,
        ConnectionLimit limit, void* proxy, Acceptor acceptor,
    ) noexcept
    cdef void refused(self, int error) noexcept
    cdef void stop(self) noexcept
    cdef void go_on(self) noexcept
    cdef void count(self, ConnectionEvent what) noexcept
    cdef void tell(self, str event, object details) noexcept
