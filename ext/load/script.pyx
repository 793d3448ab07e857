"""Script; see script.pxd."""

cimport cython
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport free, malloc, realloc


@cython.final
cdef class Script:
    """Requests, the order they are sent in, and for a replay the time of each."""

    def __cinit__(self):
        self.kept = []

    def __dealloc__(self):
        free(self.steps)
        free(self.order)
        free(self.due)

    def add(
        self, request: bytes, body: bytes | None = None, status: int = 0, no_body: bool = False
    ) -> int:
        """Add a request, its whole bytes; the number that `mix` knows it by.

        `body`: what must come; None = anything. `status`: what must come; 0 = any from 200
        to 399. `no_body`: the answer has none whatever its head says (HEAD)."""
        cdef Step* grown
        cdef Step* step
        cdef bytes sent = request
        cdef bytes want = body
        if not sent:
            raise ValueError("an empty request")
        grown = <Step*>realloc(self.steps, (self.count + 1) * sizeof(Step))
        if grown == NULL:
            raise MemoryError()
        self.steps = grown
        step = &grown[self.count]
        step.p, step.n = sent, len(sent)
        step.want, step.want_n = NULL, -1
        if body is not None:
            step.want, step.want_n = want, len(want)
        step.status = status
        step.no_body = no_body
        self.kept.append((sent, want))
        self.count += 1
        return self.count - 1

    def mix(self, order: list[int], due_ns: list[int] | None = None) -> None:
        """The numbers of requests in the order of sending, again and again; with `due_ns`
        (rising, after the begin) once, each at its time."""
        cdef uint32_t i, n = len(order)
        if not n or (due_ns is not None and len(due_ns) != n):
            raise ValueError("an order of at least one, and as many times as requests")
        if not all(0 <= k < self.count for k in order):
            raise ValueError("no such request")
        free(self.order)
        free(self.due)
        self.due = NULL
        self.order_n = 0
        self.order = <uint32_t*>malloc(n * sizeof(uint32_t))
        if due_ns is not None:
            self.due = <int64_t*>malloc(n * sizeof(int64_t))
        if self.order == NULL or (due_ns is not None and self.due == NULL):
            raise MemoryError()
        for i in range(n):
            self.order[i] = order[i]
            if due_ns is not None:
                self.due[i] = due_ns[i]
        self.order_n = n

    def __len__(self) -> int:
        return self.order_n
