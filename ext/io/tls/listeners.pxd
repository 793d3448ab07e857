"""TlsListeners: the TLS of a worker's listeners, over generations of the plan.

A generation's servers are built beside the running ones and taken up in one step. Established
connections stay as they are, handshakes under way end with what they began with, and
certificates that were parsed and have not changed are not parsed again.
"""

from fastgw.ext.io.listener cimport Acceptor


cdef class TlsListeners:
    cdef Acceptor behind              # gets the streams that are open
    cdef object log                   # of the acceptors
    cdef dict acceptors               # row of the plan -> TlsAcceptor
    cdef dict prepared                # row of the next plan -> TlsServer, or None
    cdef list gone                    # TlsAcceptors of listeners that are no more

    cdef Acceptor of(self, int index)
