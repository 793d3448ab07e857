"""ResponseSide: what an exchange does with its answer, from the head to the last byte."""

cimport cython
from libc.stdint cimport uint16_t
from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.exchange.contract cimport Attempt, Sink
from fastgw.ext.exchange.ends cimport Ends
from fastgw.ext.exchange.pipe cimport Pipe
from fastgw.ext.http.head cimport Fields


@cython.no_gc
cdef class ResponseSide(Ends):
    # -- the head -------------------------------------------------------------------------
    cdef void take_head(self, Attempt a, bint last) noexcept
    cdef void replace_response(self, uint16_t status) noexcept
    cdef void begin_response(self) noexcept
    cdef bint pipe_response(self) noexcept
    cdef bint too_long_a_reply(self) noexcept
    cdef void drop_readers(self) noexcept
    cdef Pipe new_response_pipe(self)
    cdef void send_response_head(self) noexcept
    cdef void head_after_body(self, Chunk* c, bint last) noexcept
    cdef void open_the_tunnel(self) noexcept
    # -- the body -------------------------------------------------------------------------
    cdef bint before_body(self, Chunk* c, bint last) noexcept
    cdef void trailers_to_client(self, Fields* trailers) noexcept
    cdef void ask_response(self) noexcept
    cdef void response_done(self) noexcept
    # -- of higher classes ----------------------------------------------------------------
    cdef void ask_request(self) noexcept


cdef class ClientSink(Sink):
    """The client as a pipe's sink."""
    cdef ResponseSide x
