"""Heads from and to Python values, for the fakes."""

from fastgw.ext.base.arena cimport Arena
from fastgw.ext.base.buffers cimport BufferPool, Chunk
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.http.head cimport Fields

cdef bint put_fields(Fields* t, Arena* a, object pairs) except -1
cdef list get_fields(Fields* t)
cdef Span put_text(Arena* a, object text) except *
cdef bint fill_request(Exchange x, str method, str target, object pairs) except -1
cdef Reason reason_of(str name) except *
cdef str reason_name(int reason)
cdef bint make_chunk(Chunk* c, bytes data, BufferPool pool, bint counted) except -1
