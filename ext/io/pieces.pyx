"""The write queue of a stream; see pieces.pxd."""

from libc.stdlib cimport free, malloc
from fastgw.ext.base.buffers cimport buffer_release


cdef void pieces_init(Pieces* q) noexcept:
    """An empty queue; it must not be moved from here on."""
    q.ring = q.own
    q.slots = INLINE_PIECES
    q.first = q.count = 0


cdef bint _widen(Pieces* q) noexcept:
    """Twice as many slots; False without memory."""
    cdef Piece* wider = <Piece*>malloc(q.slots * 2 * sizeof(Piece))
    cdef uint32_t i
    if wider == NULL:
        return False
    for i in range(q.count):
        wider[i] = pieces_at(q, i)[0]
    if q.ring != q.own:
        free(q.ring)
    q.ring = wider
    q.first = 0
    q.slots *= 2
    return True


cdef bint pieces_push(Pieces* q, const char* p, size_t n, Buffer* owner) noexcept:
    """Append a piece; takes the reference over, also when there is no memory for it."""
    cdef Piece* piece
    if q.count == q.slots and not _widen(q):
        if owner != NULL:
            buffer_release(owner)
        return False
    piece = pieces_at(q, q.count)
    piece.p, piece.n, piece.owner = p, n, owner
    q.count += 1
    return True


cdef int pieces_gather(
    const Pieces* q, iovec* iov, int most, size_t bytes, size_t* total
) noexcept:
    """Point at the oldest pieces, at most so many and so many bytes; how many it were."""
    cdef const Piece* piece
    cdef int i = 0
    total[0] = 0
    while i < most and <uint32_t>i < q.count and total[0] < bytes:
        piece = pieces_at(q, i)
        iov[i].iov_base = <void*>piece.p
        iov[i].iov_len = piece.n if piece.n <= bytes - total[0] else bytes - total[0]
        total[0] += iov[i].iov_len
        i += 1
    return i


cdef void _drop_first(Pieces* q) noexcept:
    """Let go of the oldest."""
    cdef Piece* piece = pieces_at(q, 0)
    if piece.owner != NULL:
        buffer_release(piece.owner)
    q.first = (q.first + 1) & (q.slots - 1)
    q.count -= 1


cdef void pieces_taken(Pieces* q, size_t n) noexcept:
    """The kernel has the oldest `n` bytes."""
    cdef Piece* piece
    while n:
        piece = pieces_at(q, 0)
        if piece.n > n:
            piece.p += n
            piece.n -= n
            return
        n -= piece.n
        _drop_first(q)


cdef void pieces_drop(Pieces* q) noexcept:
    """Let go of everything, and of the queue's memory."""
    while q.count:
        _drop_first(q)
    if q.ring != q.own:
        free(q.ring)
    pieces_init(q)
