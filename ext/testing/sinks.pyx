"""A reader of a body; see sinks.pxd."""

from fastgw.ext.base.buffers cimport chunk_release
from fastgw.ext.exchange.contract cimport SINK_COMPLETES, SINK_DROPS, SINK_HOLDS, SinkRule
from fastgw.ext.testing.heads cimport get_fields, reason_name

#: Words for SinkRule.
RULES: dict[str, int] = {
    "holds": SINK_HOLDS, "drops": SINK_DROPS, "completes": SINK_COMPLETES,
}


cdef class FakeSink(Sink):
    """See sinks.pxd."""

    def __cinit__(self, str rule="holds", size_t bound=0, long window=1 << 40):
        self.rule = <SinkRule><int>RULES[rule]
        self.bound = bound
        self.window = window
        self.body = bytearray()

    def grant(self, long n) -> None:
        """Take `n` bytes more; tell the exchange."""
        self.window += n
        if self.window > 0 and self.x is not None:
            self.x.on_sink_room(self)

    cdef bint on_chunk(self, Chunk* c, bint last) noexcept:
        self.body += c.p[:c.n]
        self.window -= c.n
        self.whole = last
        chunk_release(c)
        return self.window > 0

    cdef void on_trailers(self, Fields* trailers) noexcept:
        self.trailers = get_fields(trailers)
        self.whole = True

    cdef void on_cut(self, Reason why) noexcept:
        self.cut = reason_name(why)
