"""RequestSide: what an exchange does with its request, from the head to the last byte."""

cimport cython
from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.exchange.attempts cimport Attempts
from fastgw.ext.exchange.contract cimport Sink
from fastgw.ext.http.head cimport Fields
from fastgw.ext.policy.runner cimport Ran


@cython.no_gc
cdef class RequestSide(Attempts):
    # -- the head -------------------------------------------------------------------------
    cdef bint take_route(self) noexcept
    cdef void take_id(self) noexcept
    cdef void take_scheme(self) noexcept
    cdef bint admit(self) noexcept
    cdef bint rewrite(self) noexcept
    cdef bint enter_policies(self) noexcept
    cdef bint asks_in_vain(self) noexcept
    cdef bint too_large(self) noexcept
    cdef void after_request(self, Ran ran) noexcept
    cdef bint pipe_request(self) noexcept
    cdef bint open_when_whole(self) noexcept
    # -- the body -------------------------------------------------------------------------
    cdef bint takes_body(self) noexcept
    cdef bint to_attempt(self, Chunk* c, bint last) noexcept
    cdef void keep_for_next(self, Chunk* c, bint last) noexcept
    cdef void trailers_to_attempt(self, Fields* trailers) noexcept


cdef class AttemptSink(Sink):
    """The current attempt as a pipe's sink."""
    cdef RequestSide x
