"""Round robin; see round_robin.pxd."""

cimport cython
from libc.stdint cimport int64_t
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.upstream.contract cimport Endpoint


def spread(weights: list[int]) -> list[int]:
    """Indexes, each as often as its weight, as far from its own kind as possible.

    Smooth weighted round robin: at each step everyone gains its weight, the richest is taken
    and pays the sum."""
    total = sum(weights)
    credit = [0] * len(weights)
    order = []
    for _ in range(total):
        credit = [c + w for c, w in zip(credit, weights)]
        richest = max(range(len(weights)), key=credit.__getitem__)
        credit[richest] -= total
        order.append(richest)
    return order


@cython.final
cdef class RoundRobin(Balancer):
    """See round_robin.pxd."""

    def __init__(self, endpoints: list) -> None:
        self.endpoints = endpoints
        self.turns = [endpoints[i] for i in spread([e_weight(e) for e in endpoints])]

    cdef Endpoint pick(self, Exchange x, list tried, int64_t now_ms):
        """The next one; those in `tried` never, those passed over only if nothing else is left."""
        cdef uint32_t n = len(self.turns)
        cdef uint32_t i
        cdef Endpoint e
        cdef Endpoint spare = None
        for i in range(n):  # no-cython-lint
            e = <Endpoint>self.turns[self.at]
            self.at = self.at + 1 if self.at + 1 < n else 0
            if tried is not None and e in tried:
                continue
            if e.passed_over_until_ms <= now_ms:
                return e
            if spare is None:
                spare = e
        return spare


cdef int e_weight(Endpoint e):
    """The weight as a Python number."""
    return e.weight
