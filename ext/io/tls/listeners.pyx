"""TlsListeners; see listeners.pxd."""

from fastgw.ext.io.tls.acceptor cimport TlsAcceptor
from fastgw.ext.io.tls.server import TlsServer


cdef class TlsListeners:
    """See listeners.pxd. `log` is called with (event, details)."""

    def __init__(self, Acceptor behind not None, log) -> None:
        self.behind, self.log = behind, log
        self.acceptors, self.gone = {}, []

    def prepare(self, options: dict, material):
        """Build what `options`, {row: tls options}, want; an iterator, a little at a time. What
        can't be used raises, and changes nothing."""
        cdef dict made = {}
        cdef TlsAcceptor old
        self.prepared = None
        for index, one in options.items():
            old = self.acceptors.get(index)
            server = TlsServer(one, material.files, material.tickets)
            yield from server.fill(None if old is None else old.server)
            made[index] = server
        self.prepared = made

    def forget(self) -> None:
        """What was prepared is not wanted any more."""
        self.prepared = None

    def renew(self, files: object, digests: list) -> None:
        """The files of these digests hold another content now."""
        for acceptor in self.acceptors.values():
            acceptor.renew(files, digests)

    def switch(self, indexes: dict) -> None:
        """Take up what was prepared; `indexes`: rows that listeners have now, -1 = none."""
        cdef dict old = self.acceptors
        cdef TlsAcceptor acceptor
        self.acceptors = {}
        for was, acceptor in old.items():
            server = self.prepared.get(indexes.get(was, was))
            if server is None:
                self.gone.append(acceptor)
            else:
                acceptor.offer(server)
                self.acceptors[indexes.get(was, was)] = acceptor
        for index, server in self.prepared.items():
            if index not in self.acceptors:
                self.acceptors[index] = TlsAcceptor(self.behind, server, self.log)
        self.prepared = None

    cdef Acceptor of(self, int index):
        """What takes the connections of a listener: TLS before the rest, where it has that."""
        return <Acceptor>self.acceptors.get(index, self.behind)

    def has(self, index: int) -> bool:
        """Whether a listener has TLS."""
        return index in self.acceptors

    def abort(self) -> None:
        """Close connections that are not open yet; called within a turn."""
        for acceptor in (*self.acceptors.values(), *self.gone):
            acceptor.abort()

    def counters(self) -> dict[str, int]:
        """What was counted since the start."""
        cdef TlsAcceptor a
        told = {"tls_handshakes": 0, "tls_resumed": 0, "tls_failed": 0, "tls_timed_out": 0}
        for a in (*self.acceptors.values(), *self.gone):
            told["tls_handshakes"] += a.handshakes
            told["tls_resumed"] += a.resumed
            told["tls_failed"] += a.failures
            told["tls_timed_out"] += a.timeouts
        return told
