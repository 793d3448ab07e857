"""Internal exchanges driven from Python; see inner.pxd."""

from fastgw.ext.base.buffers cimport Chunk, chunk_release
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.downstream.internal cimport new_internal
from fastgw.ext.http.head cimport BODY_CHUNKED, BODY_NONE, Fields, ResponseHead
from fastgw.ext.testing.heads cimport fill_request, get_fields, make_chunk, reason_name, reason_of


def begin_inner(
    Dispatcher dispatcher, str method="GET", str target="/", fields=(), *, bint last=True,
    long window=1 << 40,
):
    """Begin an internal exchange; the ListReceiver tells what came of it."""
    cdef ListReceiver r = ListReceiver()
    r.inner = new_internal(dispatcher, r)
    r.window = window
    fill_request(r.inner.x, method, target, fields)
    r.inner.x.request.framing = BODY_NONE if last else BODY_CHUNKED
    r.inner.begin(last)
    return r


cdef class ListReceiver(Receiver):
    """See inner.pxd."""

    def __cinit__(self):
        self.body = bytearray()
        self.ends = []

    def push(self, bytes data, bint last=False) -> bool:
        """A piece of the request's body."""
        cdef Chunk c
        make_chunk(&c, data, None, False)
        return self.inner.send_body(&c, last)

    def grant(self, long n) -> None:
        """Room for `n` bytes more."""
        self.window += n
        if self.window > 0:
            self.inner.take_more()

    def abandon(self, str reason="cancelled") -> None:
        """Nobody wants it any more."""
        self.inner.abandon(reason_of(reason))

    cdef void on_head(self, ResponseHead* head, bint last) noexcept:
        self.status = head.status

    cdef bint on_chunk(self, Chunk* c, bint last) noexcept:
        self.body += c.p[:c.n]
        self.window -= c.n
        chunk_release(c)
        return self.window > 0

    cdef void on_trailers(self, Fields* trailers) noexcept:
        self.trailers = get_fields(trailers)

    cdef void on_end(self, Reason why) noexcept:
        self.ends.append(reason_name(why))
