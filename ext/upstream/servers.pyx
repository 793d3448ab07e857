"""A configured server; see servers.pxd."""

cimport cython
from fastgw.ext.upstream.endpoint cimport new_endpoint


@cython.final
cdef class Server:
    """See servers.pxd. `options` as in endpoint.pyx; `addresses` of a name are those that are
    known without asking."""

    def __init__(self, options: dict, pool: dict, tls: object, IdleRoom room not None) -> None:
        self.options, self.pool, self.tls, self.room = options, pool, tls, room
        self.host = options["host"]
        self.named = bool(options.get("named"))
        self.endpoints = []
        if options.get("unix"):
            self.endpoints.append(new_endpoint(options, [], pool, tls, room))
        else:
            self.readdress([address[:2] for address in options["addresses"]])

    cdef bytes url(self):
        """As configured; what it is called in metrics."""
        return self.options["url"].encode()

    cdef bint readdress(self, list addresses) except -1:
        """Have endpoints for these [family, text]; whether that was news."""
        cdef Endpoint e
        cdef list kept = []
        if addresses == self.told:
            return False
        old = {} if self.told is None else {
            tuple(told): e for told, e in zip(self.told, self.endpoints)
        }
        for address in addresses:
            e = old.pop(tuple(address), None)
            if e is None:
                e = new_endpoint(
                    self.options, [*address, self.options["port"]], self.pool, self.tls, self.room
                )
                e.tally = self.tally
            kept.append(e)
        self.endpoints, self.told = kept, [list(address) for address in addresses]
        for e in old.values():
            # Nothing is kept for the next request, so that every connection ends with its own.
            e.pool.max_idle = 0
            e.pool.trim()
        return True

    cdef void count_in(self, AttemptTally tally):
        """Attempts at all of its endpoints, and of those to come, are counted there."""
        cdef Endpoint e
        self.tally = tally
        for e in self.endpoints:
            e.tally = tally
