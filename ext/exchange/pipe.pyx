"""Pipe; see pipe.pxd."""

from libc.stdint cimport uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.buffers cimport buffer_hold, buffer_release, chunk_keep, chunk_release
from fastgw.ext.base.reasons cimport (
    REASON_BODY_TOO_LARGE, REASON_MEMORY, REASON_NONE, REASON_UPSTREAM_BODY_TOO_LARGE,
)
from fastgw.ext.base.span cimport span
from fastgw.ext.exchange.contract cimport (
    HOOK_REQUEST_BODY, HOOK_REQUEST_CHUNK, HOOK_RESPONSE_BODY, HOOK_RESPONSE_CHUNK, POLICY_OFF,
    POLICY_SHADOW, REQUEST_SIDE, SINK_DROPS, Chain, Policy,
)
from fastgw.ext.policy.runner cimport (
    RAN_ON, RAN_REPLY, RAN_WAIT, Ran, resume_step, run_body_step, run_chunk_step,
    tell_cancelled,
)

# -- queues of held chunks -----------------------------------------------------------------

cdef bint queue_put(HeldQueue* q, Chunk* c, bint last) noexcept:
    """Append, taking the reference over; False when there is no memory."""
    cdef Held* rows
    cdef uint32_t i, cap
    if q.n == q.cap:
        cap = q.cap * 2 if q.cap else 4
        rows = <Held*>malloc(cap * sizeof(Held))
        if rows == NULL:
            return False
        for i in range(q.n):
            rows[i] = q.rows[(q.first + i) % q.cap]
        free(q.rows)
        q.rows, q.first, q.cap = rows, 0, cap
    rows = &q.rows[(q.first + q.n) % q.cap]
    rows.chunk = c[0]
    rows.last = last
    q.n += 1
    return True


cdef Held queue_take(HeldQueue* q) noexcept:
    """Remove the oldest; the queue must not be empty."""
    cdef Held h = q.rows[q.first]
    q.first = (q.first + 1) % q.cap
    q.n -= 1
    return h


cdef void queue_free(HeldQueue* q) noexcept:
    """Release everything."""
    cdef Held h
    while q.n:
        h = queue_take(q)
        chunk_release(&h.chunk)
    free(q.rows)
    memset(q, 0, sizeof(HeldQueue))


cdef class Stage:
    """See pipe.pxd."""

    def __dealloc__(self):
        self.drop()

    cdef void drop(self) noexcept:
        """Release every byte it holds."""
        if self.has_pending:
            self.has_pending = False
            chunk_release(&self.pending.chunk)
        queue_free(&self.out)
        if self.collected != NULL:
            buffer_release(self.collected)
            self.collected = NULL

    def cancel(self, Ticket t) -> None:
        """The exchange ended while this stage waited."""
        if self.ticket is t:
            self.ticket = None
            tell_cancelled(self.pipe.x, self.steps[self.at])

    # -- output ------------------------------------------------------------------------

    cdef bint give(self, Chunk* c, bint last) noexcept:
        """Queue output, taking the reference over."""
        return queue_put(&self.out, c, last)

    cdef void give_last(self) noexcept:
        """Mark the end of the output."""
        cdef Chunk empty
        if self.out.n:
            self.out.rows[(self.out.first + self.out.n - 1) % self.out.cap].last = True
            return
        empty.p, empty.n, empty.owner = NULL, 0, NULL
        self.give(&empty, True)

    # -- work ----------------------------------------------------------------------------

    cdef Work advance(self) noexcept:
        """One piece of work, if there is one to do now."""
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
        cdef Chunk empty
        cdef Ran ran
        if c == NULL:
            empty.p, empty.n, empty.owner = NULL, 0, NULL
            c = &empty
        self.emitted = False
        self.pipe.x.stage = self
        ran = run_chunk_step(self.pipe.x, self.pipe.side, self.steps[0], c, last)
        self.pipe.x.stage = None
        if ran == RAN_WAIT:
            self.holds = self.has_pending
            return WORK_DONE
        return self.finish_call(ran == RAN_REPLY)

    cdef Work finish_call(self, bint replied) noexcept:
        """The hook has said what it has to say about the pending chunk."""
        self.holds = False
        if self.has_pending:
            self.has_pending = False
            chunk_release(&self.pending.chunk)
        if replied:
            return WORK_REPLY
        self.more = self.pipe.x.more
        if self.saw_last and not self.more:
            self.give_last()
        return WORK_DONE

    cdef Work call_shadow(self) noexcept:
        """Show the hook the chunk and pass the chunk on untouched."""
        self.pipe.x.stage = self
        run_chunk_step(
            self.pipe.x, self.pipe.side, self.steps[0], &self.pending.chunk, self.pending.last
        )
        self.pipe.x.stage = None
        self.has_pending = False
        self.give(&self.pending.chunk, self.pending.last)
        return WORK_DONE

    # -- whole bodies --------------------------------------------------------------------

    cdef bint gather(self, Chunk* c) noexcept:
        """Append to the collected body; False past the limit or without memory."""
        cdef size_t want = self.collected_n + c.n
        cdef Buffer* bigger
        if want > self.limit:
            return False
        if self.collected == NULL or want > self.collected.cap:
            bigger = self.pipe.x.engine.pool.take(want if self.collected == NULL else 2 * want)
            if bigger == NULL:
                self.pipe.trouble = REASON_MEMORY
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
            if self.pipe.trouble == REASON_NONE:
                self.pipe.trouble = (
                    REASON_BODY_TOO_LARGE if self.pipe.side == REQUEST_SIDE
                    else REASON_UPSTREAM_BODY_TOO_LARGE
                )
            return WORK_REPLY
        if not last:
            return WORK_DONE
        self.saw_last = True
        self.pipe.x.body = span(
            self.collected.data if self.collected != NULL else NULL, self.collected_n
        )
        return self.run_bodies()

    cdef Work run_bodies(self) noexcept:
        """The body hooks that are left, then the body goes on."""
        cdef Ran ran
        while self.at < self.n:
            self.pipe.x.stage = self
            ran = run_body_step(self.pipe.x, self.pipe.side, self.steps[self.at])
            self.pipe.x.stage = None
            if ran == RAN_WAIT:
                return WORK_DONE
            self.at += 1
            if ran == RAN_REPLY:
                return WORK_REPLY
        return self.give_body()

    cdef Work give_body(self) noexcept:
        """Pass the body on, the collected one or what a hook put in its place."""
        cdef Exchange x = self.pipe.x
        cdef Chunk c
        c.p, c.n, c.owner = x.body.p, x.body.n, NULL
        if self.collected != NULL and c.p == self.collected.data:
            c.owner = self.collected
        elif self.collected != NULL:
            buffer_release(self.collected)
        self.collected = NULL
        self.give(&c, True)
        return WORK_DONE

    cdef Work copy_along(self) noexcept:
        """WHOLE in shadow: the chunk goes on at once, the hooks see a copy at the end."""
        cdef Held h = self.pending
        if self.limit and not self.gather(&h.chunk):
            self.limit = 0
            self.pipe.trouble = REASON_NONE
        self.has_pending = False
        self.give(&h.chunk, h.last)
        if h.last and self.limit:
            self.pipe.x.body = span(
                self.collected.data if self.collected != NULL else NULL, self.collected_n
            )
            for self.at in range(self.n):
                run_body_step(self.pipe.x, self.pipe.side, self.steps[self.at])
        return WORK_DONE

    # -- waiting -------------------------------------------------------------------------

    cdef Work resume(self, Ticket t) noexcept:
        """The ticket was fired: the waiting hook has its last word."""
        cdef Ran ran
        cdef Chunk kept
        self.ticket = None
        self.pipe.x.more = False
        self.pipe.x.stage = self
        ran = resume_step(self.pipe.x, self.pipe.side, self.steps[self.at], t)
        self.pipe.x.stage = None
        if ran == RAN_WAIT:
            return WORK_DONE
        if self.whole:
            self.at += 1
            return WORK_REPLY if ran == RAN_REPLY else self.run_bodies()
        if ran == RAN_ON and self.holds and not self.emitted and self.pending.chunk.n:
            if chunk_keep(&self.pending.chunk, self.pipe.x.engine.pool, &kept):
                self.give(&kept, False)
            self.has_pending = False
        return self.finish_call(ran == RAN_REPLY)


cdef class Reader:
    """See pipe.pxd."""

    def __dealloc__(self):
        queue_free(&self.behind)


cdef class Pipe:
    """See pipe.pxd."""

    def __cinit__(self):
        self.stages = []
        self.readers = []

    def __dealloc__(self):
        queue_free(&self.input)

    # -- building ------------------------------------------------------------------------

    cdef void build(self) except *:
        """Make the stages of this side's chunk and body policies, in walking order."""
        cdef const Chain* chain = self.x.chain
        cdef int i, k
        cdef const Step* step
        cdef bint whole
        if chain == NULL:
            return
        for k in range(chain.n):
            i = k if self.side == REQUEST_SIDE else chain.n - 1 - k
            if i >= self.x.entered:
                continue
            step = self.find(i, HOOK_REQUEST_CHUNK, HOOK_RESPONSE_CHUNK)
            whole = step == NULL
            if whole:
                step = self.find(i, HOOK_REQUEST_BODY, HOOK_RESPONSE_BODY)
            if step != NULL and step.mode != POLICY_OFF:
                self.add_step(step, whole)

    cdef const Step* find(self, int index, int request_hook, int response_hook) noexcept:
        """The step of the policy at `index` for this side's hook, or NULL."""
        cdef int hook = request_hook if self.side == REQUEST_SIDE else response_hook
        cdef int i
        for i in range(self.x.chain.count[hook]):
            if self.x.chain.steps[hook][i].index == index:
                return &self.x.chain.steps[hook][i]
        return NULL

    cdef void add_step(self, const Step* step, bint whole) except *:
        """A stage of its own, or a place in the WHOLE stage before it."""
        cdef Stage stage = <Stage>self.stages[len(self.stages) - 1] if self.stages else None
        cdef bint tee = whole and step.mode == POLICY_SHADOW
        cdef size_t limit = (<Policy>step.policy).body_limit[<int>self.side]
        if stage is None or not whole or tee or not stage.whole:
            stage = Stage()
            stage.pipe = self
            stage.whole = whole and not tee
            stage.tee = tee
            stage.limit = limit
            stage.steps = <const Step**>arena_alloc(
                &self.x.arena, self.x.chain.n * sizeof(void*)
            )
            if stage.steps == NULL:
                raise MemoryError
            self.stages.append(stage)
        stage.steps[stage.n] = step
        stage.n += 1
        if limit < stage.limit:
            stage.limit = limit

    cdef void add_whole(self, size_t limit) except *:
        """A stage without policies, for a target that wants the body whole."""
        cdef Stage stage = <Stage>self.stages[len(self.stages) - 1] if self.stages else None
        if stage is not None and stage.whole:
            stage.limit = min(stage.limit, limit)
            return
        stage = Stage()
        stage.pipe = self
        stage.whole = True
        stage.limit = limit
        self.stages.append(stage)

    cdef bint has_whole(self) noexcept:
        """Whether nothing comes out before the last byte went in."""
        cdef Stage stage
        for stage in self.stages:
            if stage.whole:
                return True
        return False

    cdef bint changes_length(self) noexcept:
        """Whether a stage may emit more or fewer bytes than it is given."""
        cdef Stage stage
        for stage in self.stages:
            if not stage.tee and stage.n and stage.steps[0].mode != POLICY_SHADOW and (
                (<Policy>stage.steps[0].policy).changes_length[<int>self.side]
            ):
                return True
        return False

    cdef Held* next_out(self) noexcept:
        """The oldest chunk that waits for the sinks, or NULL."""
        cdef Stage stage
        if not self.stages:
            return NULL
        stage = <Stage>self.stages[len(self.stages) - 1]
        return &stage.out.rows[stage.out.first] if stage.out.n else NULL

    cdef void add(self, Sink sink) except *:
        """One more reader."""
        cdef Reader r = Reader()
        r.sink = sink
        self.readers.append(r)

    cdef bint drop(self, type kind) noexcept:
        """The reader whose sink is of `kind` left; whether the source should go on."""
        cdef Reader r
        cdef bint go_on = False
        cdef list left = []
        for r in self.readers:
            if type(r.sink) is not kind:
                left.append(r)
                go_on = go_on or r.sink.rule != SINK_DROPS
        self.readers = left
        return go_on

    cdef void hold(self, type kind) noexcept:
        """The reader whose sink is of `kind` has no room until `release`."""
        cdef Reader r
        for r in self.readers:
            if type(r.sink) is kind:
                r.waits = True

    cdef Flow release(self, type kind) noexcept:
        """The reader whose sink is of `kind` takes chunks again."""
        cdef Reader r
        for r in self.readers:
            if type(r.sink) is kind:
                r.waits = False
        return self.run()

    # -- moving --------------------------------------------------------------------------

    cdef Flow push(self, Chunk* c, bint last) noexcept:
        """Take a chunk from the source; lent ones are copied."""
        cdef Chunk kept
        if self.closed or not chunk_keep(c, self.x.engine.pool, &kept):
            chunk_release(c)
            if not self.closed:
                self.trouble = REASON_MEMORY
                return FLOW_REPLY
            return FLOW_FULL
        queue_put(&self.input, &kept, last)
        return self.run()

    cdef Flow push_trailers(self, Fields* trailers) noexcept:
        """The source ended with trailers, which pass the stages untouched."""
        cdef Chunk empty
        empty.p, empty.n, empty.owner = NULL, 0, NULL
        self.trailers = trailers
        return self.push(&empty, True)

    cdef Flow on_sink_room(self, Sink sink) noexcept:
        """A sink takes chunks again."""
        cdef Reader r
        for r in self.readers:
            if r.sink is sink:
                r.waits = False
                self.catch_up(r)
        return self.run()

    cdef Flow on_stage_ticket(self, Stage stage, Ticket t) noexcept:
        """What a stage waited for has happened."""
        if stage.resume(t) == WORK_REPLY:
            return FLOW_REPLY
        return self.run()

    cdef Flow run(self) noexcept:
        """Move everything that can move; never calls itself."""
        cdef Work work
        if self.running:
            self.again = True
            return FLOW_FULL
        self.running = True
        self.again = True
        while self.again and not self.closed:
            self.again = False
            work = self.sweep()
            if work == WORK_REPLY:
                self.running = False
                return FLOW_REPLY
            if work == WORK_DONE:
                self.again = True
        self.running = False
        return FLOW_FULL if self.closed or self.input.n or self.blocked() else FLOW_ROOM

    cdef Work sweep(self) noexcept:
        """One pass from the sinks back to the source."""
        cdef int i, n = len(self.stages)
        cdef Work work, done = WORK_NONE
        cdef Stage stage
        cdef Held h
        for i in range(n - 1, -1, -1):
            stage = <Stage>self.stages[i]
            if self.drain(stage, <Stage>self.stages[i + 1] if i + 1 < n else None):
                done = WORK_DONE
            if self.closed:
                return done
            work = stage.advance()
            if work == WORK_REPLY:
                return work
            if work == WORK_DONE:
                done = work
        while self.input.n and not self.closed:
            if n == 0:
                if self.blocked():
                    break
                h = queue_take(&self.input)
                self.deliver(&h)
            else:
                stage = <Stage>self.stages[0]
                if stage.has_pending:
                    break
                stage.pending = queue_take(&self.input)
                stage.has_pending = True
            done = WORK_DONE
        return done

    cdef bint drain(self, Stage stage, Stage after) noexcept:
        """Hand a stage's output on; whether anything moved."""
        cdef bint moved = False
        cdef Held h
        while stage.out.n and not self.closed:
            if after is not None:
                if after.has_pending:
                    break
                after.pending = queue_take(&stage.out)
                after.has_pending = True
            else:
                if self.blocked():
                    break
                h = queue_take(&stage.out)
                self.deliver(&h)
            moved = True
        return moved

    # -- sinks ---------------------------------------------------------------------------

    cdef bint blocked(self) noexcept:
        """Whether a holding sink has no room."""
        cdef Reader r
        for r in self.readers:
            if r.waits and r.sink.rule != SINK_DROPS:
                return True
        return False

    cdef void deliver(self, Held* h) noexcept:
        """Give one chunk to every reader, each with a reference of its own."""
        cdef Reader r
        if h.last:
            self.ended = True
        for r in list(self.readers):
            if r.waits:
                self.fall_behind(r, h)
            else:
                self.tell(r, h)
        chunk_release(&h.chunk)

    cdef void tell(self, Reader r, Held* h) noexcept:
        """Hand a chunk to one sink, trailers behind the last one."""
        cdef Chunk c = h.chunk
        cdef bint trailers = h.last and self.trailers != NULL
        if c.owner != NULL:
            buffer_hold(c.owner)
        if not (trailers and c.n == 0):
            r.waits = not r.sink.on_chunk(&c, h.last and not trailers)
        if trailers:
            r.sink.on_trailers(self.trailers)

    cdef void fall_behind(self, Reader r, Held* h) noexcept:
        """Keep a chunk for a dropping sink; past its bound the sink is cut off."""
        cdef Chunk c = h.chunk
        r.behind_n += c.n
        if r.behind_n > r.sink.bound:
            if r in self.readers:
                self.readers.remove(r)
            r.sink.on_cut(REASON_MEMORY)
            return
        if c.owner != NULL:
            buffer_hold(c.owner)
        queue_put(&r.behind, &c, h.last)

    cdef void catch_up(self, Reader r) noexcept:
        """Give a dropping sink what it is behind with."""
        cdef Held h
        while r.behind.n and not r.waits:
            h = queue_take(&r.behind)
            r.behind_n -= h.chunk.n
            self.tell(r, &h)
            chunk_release(&h.chunk)

    # -- the end -------------------------------------------------------------------------

    cdef void cut(self, Reason why) noexcept:
        """Nothing more moves: release everything and, if it is not whole, tell the sinks."""
        cdef Reader r
        cdef Stage stage
        if self.closed:
            return
        self.closed = True
        if not self.ended:
            for r in self.readers:
                r.sink.on_cut(why)
        for stage in self.stages:
            stage.drop()
            stage.pipe = None
        self.readers = []
        queue_free(&self.input)
        self.x = None


cdef class Pipes:
    """See pipe.pxd."""
