# distutils: libraries = ssl crypto
"""Wire; see wire.pxd."""

from libc.string cimport memcpy
from fastgw.ext.base.buffers cimport BufferPool, buffer_hold, buffer_release
from fastgw.ext.io.pieces cimport (
    Piece, pieces_at, pieces_drop, pieces_init, pieces_push, pieces_taken,
)
from fastgw.ext.io.tls.openssl cimport (
    BIO_CTRL_FLUSH, BIO_CTRL_PENDING, BIO_METHOD, BIO_TYPE_SOURCE_SINK, BIO_clear_retry_flags,
    BIO_get_data, BIO_meth_new, BIO_meth_set_ctrl, BIO_meth_set_read, BIO_meth_set_write, BIO_new,
    BIO_set_data, BIO_set_init, BIO_set_retry_read,
)

cdef enum:
    SMALL = 4096                # first buffer of a flight or an answer
    LARGE = 65536               # the next ones

cdef BIO_METHOD* _method = NULL


cdef int wire_init(Wire* w, object pool) except -1:
    """An empty wire; it must not be moved from here on. MemoryError: OpenSSL has none."""
    global _method
    if _method == NULL:
        _method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, b"fastgw")
        if _method == NULL:
            raise MemoryError
        BIO_meth_set_read(_method, _read)
        BIO_meth_set_write(_method, _write)
        BIO_meth_set_ctrl(_method, _ctrl)
    pieces_init(&w.out)
    w.pool = <void*>pool
    return 0


cdef BIO* wire_bio(Wire* w) noexcept:
    """A BIO on the wire, for one SSL; NULL without memory."""
    cdef BIO* bio = BIO_new(_method)
    if bio != NULL:
        BIO_set_data(bio, w)
        BIO_set_init(bio, 1)
    return bio


cdef bint wire_put(Wire* w, const char* p, size_t n) noexcept:
    """Append bytes as they are; False without memory."""
    cdef size_t k
    while n:
        if w.tail == NULL or w.tail.used == w.tail.cap:
            if not _new_tail(w, n):
                w.no_memory = True
                return False
        k = min(n, w.tail.cap - w.tail.used)
        memcpy(w.tail.data + w.tail.used, p, k)
        if not _append(w, k):
            w.no_memory = True
            return False
        p += k
        n -= k
    return True


cdef void wire_taken(Wire* w, size_t n) noexcept:
    """The kernel has the oldest `n` bytes; an empty wire holds no memory."""
    pieces_taken(&w.out, n)
    w.out_n -= n
    if w.out_n == 0:
        wire_drop(w)


cdef void wire_drop(Wire* w) noexcept:
    """Let go of all records."""
    pieces_drop(&w.out)
    w.out_n = 0
    if w.tail != NULL:
        buffer_release(w.tail)
        w.tail = NULL


# -- what OpenSSL calls ----------------------------------------------------------------------

cdef int _read(BIO* bio, char* into, int n) noexcept:
    """Take received bytes; none left = try again later, never the end."""
    cdef Wire* w = <Wire*>BIO_get_data(bio)
    BIO_clear_retry_flags(bio)
    if w.n == 0 or n <= 0:
        BIO_set_retry_read(bio)
        return -1
    if <size_t>n > w.n:
        n = <int>w.n
    memcpy(into, w.p, n)
    w.p += n
    w.n -= n
    return n


cdef int _write(BIO* bio, const char* p, int n) noexcept:
    """Append a record, or a part of one."""
    cdef Wire* w = <Wire*>BIO_get_data(bio)
    BIO_clear_retry_flags(bio)
    if n <= 0:
        return 0
    return n if wire_put(w, p, n) else -1


cdef bint _new_tail(Wire* w, size_t n) noexcept:
    """A buffer for the next `n` bytes, and more if records are queued already."""
    cdef BufferPool pool = <BufferPool>w.pool
    cdef Buffer* b = pool.take(SMALL if n <= SMALL and w.tail == NULL else LARGE)
    if b == NULL:
        b = pool.take_reserved(min(n, <size_t>SMALL))
    if b == NULL:
        return False
    if w.tail != NULL:
        buffer_release(w.tail)
    w.tail = b
    return True


cdef bint _append(Wire* w, size_t n) noexcept:
    """Queue `n` bytes that were put behind the tail's used ones."""
    cdef char* p = w.tail.data + w.tail.used
    cdef Piece* last = pieces_at(&w.out, w.out.count - 1)
    if w.out.count and last.owner == w.tail and last.p + last.n == p:
        last.n += n
    else:
        buffer_hold(w.tail)
        if not pieces_push(&w.out, p, n, w.tail):
            return False
    w.tail.used += n
    w.out_n += n
    return True


cdef long _ctrl(BIO* bio, int what, long number, void* p) noexcept:
    """There is nothing to flush; the rest is not for us."""
    if what == BIO_CTRL_FLUSH:
        return 1
    if what == BIO_CTRL_PENDING:
        return <long>(<Wire*>BIO_get_data(bio)).n
    return 0
