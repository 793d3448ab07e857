"""Chunked bodies into a stream; see chunk_writer.pxd."""

from fastgw.ext.base.buffers cimport chunk_release
from fastgw.ext.base.reasons cimport REASON_MEMORY
from fastgw.ext.io.stream cimport stream_reserve
from fastgw.ext.http.chunked cimport CHUNK_HEADER, chunk_header
from fastgw.ext.http.write cimport fields_bound, put, put_fields


cdef void _write_text(Stream s, const char* p, size_t n) noexcept:
    """Append a constant. Without memory the stream is aborted, as by `write`: a chunk whose
    framing is missing would make the rest mean something else."""
    cdef char* at = stream_reserve(s, n)
    if at == NULL:
        s.abort(REASON_MEMORY)
        return
    put(at, p, n)
    s.commit(n)


cdef bint write_chunk(Stream s, Chunk* c, bint last) noexcept:
    """Write one chunk, the last chunk behind it with `last`; whether there is room for more.

    An empty piece is no chunk: a chunk of size 0 would end the body."""
    cdef char* begin
    cdef bint room = True
    if c.n:
        begin = stream_reserve(s, CHUNK_HEADER)
        if begin == NULL:
            chunk_release(c)
            s.abort(REASON_MEMORY)
            return False
        s.commit(chunk_header(begin, c.n))
        room = s.write(c)
        if last:
            _write_text(s, b"\r\n0\r\n\r\n", 7)
        else:
            _write_text(s, b"\r\n", 2)
        return room
    chunk_release(c)
    if last:
        _write_text(s, b"0\r\n\r\n", 5)
    return room


cdef bint write_trailers(Stream s, Fields* trailers) noexcept:
    """Write the last chunk with trailers; False without memory."""
    cdef char* begin = s.reserve(fields_bound(trailers) + 8)
    cdef char* at
    if begin == NULL:
        return False
    at = put(begin, b"0\r\n", 3)
    at = put_fields(at, trailers, NULL)
    at = put(at, b"\r\n", 2)
    s.commit(at - begin)
    return True
