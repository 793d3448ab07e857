"""Connections apart from what they carry; see h1_link.pxd."""

cimport cython
from libc.string cimport memcpy, memset
from fastgw.ext.base.buffers cimport BufferPool, buffer_release, chunk_keep, chunk_release
from fastgw.ext.base.deadlines cimport deadline_init
from fastgw.ext.base.debug cimport debug_assert
from fastgw.ext.base.reasons cimport REASON_CANCELLED, REASON_MEMORY, REASON_UPSTREAM_RESET
from fastgw.ext.base.span cimport span, span_eq_fold
from fastgw.ext.http.chunked cimport CHUNK_MORE, CHUNK_SPACE, chunked_feed
from fastgw.ext.http.head cimport Field, fields_find
from fastgw.ext.http.names cimport NAME_KEEP_ALIVE
from fastgw.ext.http.response cimport parse_response

cdef enum:
    ROWS = 512                  # field lines that are looked at; limits.fields is at most this
    LONGEST_IDLE_S = 3600       # what `Keep-Alive: timeout` may say

cdef Field _rows[512]           # where rows stand until their head, or trailers, are whole


cdef void _due(void* owner, int kind) noexcept:
    (<H1Link>owner).on_deadline(kind)


@cython.no_gc
cdef class H1Link(Codec):
    """See h1_link.pxd."""

    def __cinit__(self):
        deadline_init(&self.deadline, <void*>self, _due)

    def __dealloc__(self):
        debug_assert(self.deadline.prev == NULL)
        self.drop_partial()
        chunk_release(&self.kept)

    # -- received bytes -------------------------------------------------------------------

    cdef int64_t read_head(
        self, const char** p, size_t* n, const Limits* limits, MethodId method, ResponseHead* head
    ) noexcept:
        """The length of a whole head; 0: more is needed, what is there was put by; else -reason.

        `p` and `n` are moved to the bytes that the head's slices point into."""
        cdef int64_t got
        if self.partial != NULL:
            if not self.gather(p[0], n[0]):
                return -<int64_t>REASON_MEMORY
            p[0], n[0] = self.partial.data, self.partial.used
        memset(head, 0, sizeof(ResponseHead))
        got = parse_response(p[0], n[0], &self.searched, limits, _rows, ROWS, method, head)
        if got > 0:
            self.searched = 0
        elif got == 0 and self.partial == NULL and not self.gather(p[0], n[0]):
            return -<int64_t>REASON_MEMORY
        return got

    cdef ChunkEvent feed_chunked(
        self, Chunk* c, size_t* used, Span* data, Fields* trailers
    ) noexcept:
        """Ask the decoder. Trailers that are not whole are gathered, for it wants them in one
        piece; `used` counts bytes of `c`. CHUNK_SPACE: there is no memory for them."""
        cdef size_t before = self.partial.used if self.partial != NULL else 0
        cdef const char* p = c.p
        cdef ChunkEvent said
        memset(trailers, 0, sizeof(Fields))
        trailers.rows, trailers.cap = _rows, ROWS
        if self.partial != NULL:
            if not self.gather(c.p, c.n):
                return CHUNK_SPACE
            p = self.partial.data
        said = chunked_feed(&self.chunks, p, before + c.n, used, data, trailers)
        if said == CHUNK_MORE:
            if used[0] < before + c.n and self.partial == NULL:
                if not self.gather(p + used[0], c.n - used[0]):
                    return CHUNK_SPACE
            used[0] = c.n
        else:
            used[0] -= before
        return said

    cdef bint gather(self, const char* p, size_t n) noexcept:
        """Append to what is not whole yet; False without memory."""
        cdef BufferPool pool = self.stream.engine.pool
        cdef Buffer* bigger
        cdef size_t used = self.partial.used if self.partial != NULL else 0
        if self.partial == NULL or used + n > self.partial.cap:
            bigger = pool.take(used + n)
            if bigger == NULL:
                return False
            if used:
                memcpy(bigger.data, self.partial.data, used)
            self.drop_partial()
            self.partial = bigger
        memcpy(self.partial.data + used, p, n)
        self.partial.used = used + n
        return True

    cdef void drop_partial(self) noexcept:
        """It is whole, or nobody's any more."""
        if self.partial != NULL:
            buffer_release(self.partial)
            self.partial = NULL

    cdef bint put_by(self, Chunk* c) noexcept:
        """Keep bytes that are not wanted yet; False without memory."""
        debug_assert(self.kept.n == 0)
        if not chunk_keep(c, self.stream.engine.pool, &self.kept):
            return False
        c.owner = NULL
        c.n = 0
        return True

    cdef Chunk take_kept(self) noexcept:
        """What was put by; n = 0: nothing."""
        cdef Chunk c = self.kept
        self.kept.n, self.kept.owner = 0, NULL
        return c

    # -- time -----------------------------------------------------------------------------

    cdef void set_deadline(self, int kind, uint32_t after_ms) noexcept:
        """Set the one deadline; 0 = none."""
        self.deadline.kind = kind
        if after_ms:
            self.stream.engine.wheel.set(&self.deadline, self.stream.engine.now_ms + after_ms)
        else:
            self.stream.engine.wheel.clear(&self.deadline)

    cdef void on_deadline(self, int kind) noexcept:
        """What was waited for did not happen."""

    # -- its end --------------------------------------------------------------------------

    cdef Reason unwritten(self) noexcept:
        """Why nothing could be written: it broke meanwhile, or there was no memory."""
        return REASON_UPSTREAM_RESET if self.stream.flags & UNUSABLE else REASON_MEMORY

    cdef void shut(self) noexcept:
        """Close it, once: at once, or with `flush` when what is queued was sent. With `cut` what
        the kernel has not sent yet is dropped, and the upstream told even if it reads nothing."""
        cdef Stream s = self.stream
        if s is None:
            return
        s.engine.wheel.clear(&self.deadline)
        s.engine.keep(self)
        self.stream = None
        self.drop_partial()
        chunk_release(&self.kept)
        self.kept.n = 0
        if self.flush and s.queued:
            s.close()
        elif self.cut:
            s.reset(REASON_CANCELLED)
        else:
            s.abort(REASON_CANCELLED)


cdef uint32_t idle_allowed(Fields* fields, uint32_t idle_ms) noexcept:
    """The pool's own idle time, or a second less than `Keep-Alive: timeout=N` if that is more."""
    cdef Field* f = fields_find(fields, NAME_KEEP_ALIVE)
    cdef uint32_t i, seconds = 0
    if f == NULL:
        return idle_ms
    for i in range(f.value_n):
        if f.value_n - i > 8 and span_eq_fold(span(f.value + i, 8), span(b"timeout=", 8)):
            i += 8
            while i < f.value_n and 48 <= f.value[i] <= 57 and seconds <= LONGEST_IDLE_S:
                seconds = seconds * 10 + (f.value[i] - 48)
                i += 1
            break
    return max(idle_ms, (seconds - 1) * 1000 if 1 < seconds <= LONGEST_IDLE_S else 0)
