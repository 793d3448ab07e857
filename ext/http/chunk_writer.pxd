"""Chunked bodies into a stream (RFC 9112 section 7.1); both sides' codecs use it."""

from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.http.head cimport Fields
from fastgw.ext.io.stream cimport Stream


cdef bint write_chunk(Stream s, Chunk* c, bint last) noexcept
cdef bint write_trailers(Stream s, Fields* trailers) noexcept
