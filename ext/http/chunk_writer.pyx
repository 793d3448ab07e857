"""Chunked bodies into a stream; see chunk_writer.pxd."""

from fastgw.ext.base.buffers cimport chunk_release
from fastgw.ext.base.reasons cimport REASON_MEMORY
from fastgw.ext.io.stream cimport (
    S_BROKEN, S_CLOSE_AFTER, S_CLOSED, S_SHUT, S_SHUT_AFTER, stream_reserve,
)
from fastgw.ext.http.chunked cimport CHUNK_HEADER, chunk_header
from fastgw.ext.http.write cimport fields_bound, put, put_fields

cdef enum:
    ENDED = S_CLOSED | S_SHUT | S_SHUT_AFTER | S_CLOSE_AFTER | S_BROKEN
    END_BYTES = 7               # CRLF, the last chunk, and the end of no trailers


cdef bint _write_end(Stream s, bint data, bint last) noexcept:
    """What stands behind a chunk's data, and the last chunk; False without memory."""
    cdef char* at = stream_reserve(s, END_BYTES)
    cdef char* begin = at
    if at == NULL:
        return False
    if data:
        at = put(at, b"\r\n", 2)
    if last:
        at = put(at, b"0\r\n\r\n", 5)
    s.commit(at - begin)
    return True


cdef bint write_chunk(Stream s, Chunk* c, bint last) noexcept:
    """Write one chunk, the last chunk behind it with `last`; whether there is room for more.

    An empty piece is no chunk: a chunk of size 0 would end the body. As with `Stream.write`, a
    stream that has ended takes everything, and one without memory is aborted: what stands
    half-written would be read as something else."""
    cdef char* begin
    cdef bint data = c.n != 0
    cdef bint room = True
    if s.flags & ENDED:
        chunk_release(c)
        return True
    if data:
        begin = stream_reserve(s, CHUNK_HEADER)
        if begin == NULL:
            chunk_release(c)
            s.abort(REASON_MEMORY)
            return False
        s.commit(chunk_header(begin, c.n))
        room = s.write(c)
    else:
        chunk_release(c)
    if (data or last) and not s.flags & ENDED and not _write_end(s, data, last):
        s.abort(REASON_MEMORY)
        return False
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
