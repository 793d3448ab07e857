"""Stage; see stage.pxd."""

from libc.string cimport memcpy
from fastgw.ext.base.buffers cimport buffer_release, chunk_keep, chunk_release
from fastgw.ext.base.debug cimport debug_assert
from fastgw.ext.base.reasons cimport (
    REASON_BODY_TOO_LARGE, REASON_MEMORY, REASON_NONE, REASON_UPSTREAM_BODY_TOO_LARGE,
)
from fastgw.ext.base.span cimport span
from fastgw.ext.exchange.contract cimport POLICY_SHADOW, REQUEST_SIDE
from fastgw.ext.exchange.held cimport queue_at, queue_free, queue_put
from fastgw.ext.policy.runner cimport (
    RAN_ON, RAN_PASSED, RAN_REPLY, RAN_WAIT, Ran, cancel_ticket, resume_step, run_body_step,
    run_chunk_step,
)


cdef class Stage:
    """See stage.pxd."""

    def __dealloc__(self):
        debug_assert(self.out.rows == NULL and not self.has_pending and self.collected == NULL)

    cdef void drop(self) noexcept:
        """The pipe is cut: tell a policy that waits, release every byte."""
        cdef Ticket t = self.ticket
        cdef Exchange x = self.x
        self.dropped = True
        self.ticket = self.fired = None
        self.x = None
        if self.has_pending:
            self.has_pending = False
            chunk_release(&self.pending.chunk)
        queue_free(&self.out)
        if self.collected != NULL:
            buffer_release(self.collected)
            self.collected = NULL
        if t is not None and not t.spent:
            cancel_ticket(x, t, self.steps[self.at])

    # -- what the pipe asks --------------------------------------------------------------

    cdef void take(self, Held* h) noexcept:
        """The next input; only when there is none pending."""
        debug_assert(not self.has_pending)
        self.pending = h[0]
        self.has_pending = True

    cdef bint stuck(self) noexcept:
        """Whether something is left in here that could not move."""
        return self.has_pending or self.more or self.ticket is not None or self.out.n > 0

    cdef bint collecting(self) noexcept:
        """Whether input is wanted though nothing may come out."""
        return self.whole and not self.saw_last

    # -- output --------------------------------------------------------------------------

    cdef bint give(self, Chunk* c, bint last) noexcept:
        """Queue output, taking the reference over."""
        if queue_put(&self.out, c, last):
            return True
        self.trouble = REASON_MEMORY
        return False

    cdef void give_last(self) noexcept:
        """Mark the end of the output."""
        cdef Chunk empty
        if self.out.n:
            queue_at(&self.out, self.out.n - 1).last = True
            return
        empty.p, empty.n, empty.owner = NULL, 0, NULL
        self.give(&empty, True)

    cdef void pass_pending(self) noexcept:
        """The pending chunk goes on as it came."""
        cdef Chunk kept
        if self.has_pending and self.pending.chunk.n:
            if chunk_keep(&self.pending.chunk, self.x.engine.pool, &kept):
                self.has_pending = False
                self.give(&kept, False)
            else:
                self.trouble = REASON_MEMORY

    # -- work ----------------------------------------------------------------------------

    cdef Work advance(self) noexcept:
        """One piece of work, if there is one to do now."""
        cdef Ticket t
        if self.fired is not None:
            t = self.fired
            self.fired = None
            return self.resume(t)
        if self.ticket is not None or self.out.n:
            return WORK_NONE
        if self.more:
            return self.call(NULL, self.saw_last)
        if not self.has_pending or self.holds:
            return WORK_NONE
        if self.whole:
            return self.collect()
        if self.tee:
            return self.copy_along()
        if self.pending.last:
            self.saw_last = True
        if self.steps[0].mode == POLICY_SHADOW:
            return self.call_shadow()
        return self.call(&self.pending.chunk, self.pending.last)

    cdef Work call(self, Chunk* c, bint last) noexcept:
        """The chunk hook, with input or (`more`) with an empty chunk."""
        cdef Chunk shown
        cdef Exchange x = self.x
        cdef Ran ran
        shown.p, shown.n, shown.owner = NULL, 0, NULL
        if c != NULL:
            shown = c[0]
        self.emitted = False
        x.stage = self
        ran = run_chunk_step(x, self.side, self.steps[0], &shown, last)
        x.stage = None
        if self.dropped:
            return WORK_NONE
        if ran == RAN_WAIT:
            self.holds = self.has_pending
            return WORK_DONE
        if ran == RAN_PASSED and not self.emitted:
            self.pass_pending()
        return self.finish_call(ran == RAN_REPLY)

    cdef Work finish_call(self, bint replied) noexcept:
        """The hook has said what it has to say about the pending chunk."""
        self.holds = False
        if self.has_pending:
            self.has_pending = False
            chunk_release(&self.pending.chunk)
        if replied or self.trouble != REASON_NONE:
            return WORK_REPLY
        self.more = self.x.more
        if self.saw_last and not self.more:
            self.give_last()
        return WORK_DONE

    cdef Work call_shadow(self) noexcept:
        """Show the hook the chunk and pass the chunk on untouched."""
        cdef Exchange x = self.x
        cdef Chunk shown = self.pending.chunk
        x.stage = self
        run_chunk_step(x, self.side, self.steps[0], &shown, self.pending.last)
        x.stage = None
        if self.dropped:
            return WORK_NONE
        self.has_pending = False
        return WORK_DONE if self.give(&self.pending.chunk, self.pending.last) else WORK_REPLY

    # -- whole bodies --------------------------------------------------------------------

    cdef bint gather(self, Chunk* c) noexcept:
        """Append to the collected body; False past the limit or without memory."""
        cdef size_t want = self.collected_n + c.n
        cdef Buffer* bigger
        if want > self.limit:
            self.trouble = (
                REASON_BODY_TOO_LARGE if self.side == REQUEST_SIDE
                else REASON_UPSTREAM_BODY_TOO_LARGE
            )
            return False
        if self.collected == NULL or want > self.collected.cap:
            bigger = self.x.engine.pool.take(want if self.collected == NULL else 2 * want)
            if bigger == NULL:
                self.trouble = REASON_MEMORY
                return False
            if self.collected != NULL:
                memcpy(bigger.data, self.collected.data, self.collected_n)
                buffer_release(self.collected)
            self.collected = bigger
        if c.n:
            memcpy(self.collected.data + self.collected_n, c.p, c.n)
        self.collected_n = want
        return True

    cdef Work collect(self) noexcept:
        """Take the pending chunk into the buffer; after the last, run the body hooks."""
        cdef bint last = self.pending.last
        cdef bint fits = self.gather(&self.pending.chunk)
        self.has_pending = False
        chunk_release(&self.pending.chunk)
        if not fits:
            return WORK_REPLY
        if not last:
            return WORK_DONE
        self.saw_last = True
        self.show_body()
        return self.run_bodies()

    cdef void show_body(self) noexcept:
        """What body hooks see."""
        self.x.body = span(
            self.collected.data if self.collected != NULL else NULL, self.collected_n
        )

    cdef Work run_bodies(self) noexcept:
        """The body hooks that are left, then the body goes on."""
        cdef Exchange x = self.x
        cdef Ran ran
        while self.at < self.n:
            x.stage = self
            ran = run_body_step(x, self.side, self.steps[self.at])
            x.stage = None
            if self.dropped:
                return WORK_NONE
            if ran == RAN_WAIT:
                return WORK_DONE
            self.at += 1
            if ran == RAN_REPLY:
                return WORK_REPLY
        return self.give_body()

    cdef Work give_body(self) noexcept:
        """Pass the body on, the collected one or what a hook put in its place."""
        cdef Chunk c
        c.p, c.n, c.owner = self.x.body.p, self.x.body.n, NULL
        if self.collected != NULL and c.p == self.collected.data:
            c.owner = self.collected
        elif self.collected != NULL:
            buffer_release(self.collected)
        self.collected = NULL
        return WORK_DONE if self.give(&c, True) else WORK_REPLY

    cdef Work copy_along(self) noexcept:
        """WHOLE in shadow: the chunk goes on at once, the hooks see a copy at the end."""
        cdef Held h = self.pending
        if self.limit and not self.gather(&h.chunk):
            self.limit = 0
            self.trouble = REASON_NONE
        self.has_pending = False
        if not self.give(&h.chunk, h.last):
            return WORK_REPLY
        if h.last and self.limit:
            self.show_body()
            for self.at in range(self.n):
                run_body_step(self.x, self.side, self.steps[self.at])
                if self.dropped:
                    return WORK_NONE
        return WORK_DONE

    # -- waiting -------------------------------------------------------------------------

    cdef Work resume(self, Ticket t) noexcept:
        """The ticket was fired: the waiting hook has its last word."""
        cdef Exchange x = self.x
        cdef Ran ran
        self.ticket = None
        x.more = False
        x.stage = self
        ran = resume_step(x, self.side, self.steps[self.at], t)
        x.stage = None
        if self.dropped:
            return WORK_NONE
        if ran == RAN_WAIT:
            return WORK_DONE
        if self.whole:
            self.at += 1
            return WORK_REPLY if ran == RAN_REPLY else self.run_bodies()
        if ran in (RAN_ON, RAN_PASSED) and self.holds and not self.emitted:
            self.pass_pending()
        return self.finish_call(ran == RAN_REPLY)
