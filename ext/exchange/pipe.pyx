"""Pipe; see pipe.pxd."""

from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.buffers cimport buffer_hold, chunk_keep, chunk_release
from fastgw.ext.base.reasons cimport REASON_CANCELLED, REASON_MEMORY
from fastgw.ext.exchange.contract cimport (
    HOOK_REQUEST_BODY, HOOK_REQUEST_CHUNK, HOOK_RESPONSE_BODY, HOOK_RESPONSE_CHUNK, POLICY_OFF,
    POLICY_SHADOW, REQUEST_SIDE, SINK_DROPS, Chain, Policy,
)
from fastgw.ext.exchange.held cimport queue_free, queue_put, queue_take
from fastgw.ext.exchange.stage cimport WORK_DONE, WORK_NONE, WORK_REPLY


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

    cdef bint build(self) noexcept:
        """Make the stages of this side's chunk and body policies, in walking order; False
        without memory."""
        cdef const Chain* chain = self.x.chain
        cdef int i, k
        cdef const Step* step
        cdef bint whole
        if chain == NULL:
            return True
        for k in range(chain.n):
            i = k if self.side == REQUEST_SIDE else chain.n - 1 - k
            if i >= self.x.entered:
                continue
            step = self.find(i, HOOK_REQUEST_CHUNK, HOOK_RESPONSE_CHUNK)
            whole = step == NULL
            if whole:
                step = self.find(i, HOOK_REQUEST_BODY, HOOK_RESPONSE_BODY)
            if step != NULL and step.mode != POLICY_OFF and not self.add_step(step, whole):
                return False
        return True

    cdef const Step* find(self, int index, int request_hook, int response_hook) noexcept:
        """The step of the policy at `index` for this side's hook, or NULL."""
        cdef int hook = request_hook if self.side == REQUEST_SIDE else response_hook
        cdef int i
        for i in range(self.x.chain.count[hook]):
            if self.x.chain.steps[hook][i].index == index:
                return &self.x.chain.steps[hook][i]
        return NULL

    cdef Stage add_stage(self):
        """An empty stage behind the others."""
        cdef Stage stage = Stage()
        stage.x = self.x
        stage.side = self.side
        self.stages.append(stage)
        self.tail = stage
        return stage

    cdef bint add_step(self, const Step* step, bint whole) noexcept:
        """A stage of its own, or a place in the WHOLE stage before it."""
        cdef Stage stage = self.tail
        cdef bint tee = whole and step.mode == POLICY_SHADOW
        cdef size_t limit = (<Policy>step.policy).body_limit[<int>self.side]
        if stage is None or not whole or tee or not stage.whole:
            stage = self.add_stage()
            stage.whole = whole and not tee
            stage.tee = tee
            stage.limit = limit
            stage.steps = <const Step**>arena_alloc(
                &self.x.arena, self.x.chain.n * sizeof(void*)
            )
            if stage.steps == NULL:
                return False
        stage.steps[stage.n] = step
        stage.n += 1
        stage.limit = min(stage.limit, limit)
        return True

    cdef bint add_whole(self, size_t limit) noexcept:
        """A stage without policies, for a target that wants the body whole."""
        cdef Stage stage = self.tail
        if stage is None or not stage.whole:
            stage = self.add_stage()
            stage.whole = True
            stage.limit = limit
        stage.limit = min(stage.limit, limit)
        return True

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
        cdef int i
        for stage in self.stages:
            for i in range(stage.n):
                if stage.steps[i].mode != POLICY_SHADOW and (
                    (<Policy>stage.steps[i].policy).changes_length[<int>self.side]
                ):
                    return True
        return False

    cdef Reader add(self, Sink sink):
        """One more reader."""
        cdef Reader r = Reader()
        r.sink = sink
        self.readers.append(r)
        return r

    cdef void stand_behind(self, Sink sink) noexcept:
        """The exchange's own reader: the client, or the current attempt."""
        self.own = self.add(sink)

    # -- moving --------------------------------------------------------------------------

    cdef Flow push(self, Chunk* c, bint last) noexcept:
        """Take a chunk from the source; lent ones are copied."""
        cdef Chunk kept
        if self.closed:
            chunk_release(c)
            return FLOW_FULL
        if not chunk_keep(c, self.x.engine.pool, &kept) or (
            not queue_put(&self.input, &kept, last)
        ):
            self.trouble = REASON_MEMORY
            return FLOW_REPLY
        return self.run()

    cdef Flow push_last(self) noexcept:
        """The source ended without another byte."""
        cdef Chunk empty
        empty.p, empty.n, empty.owner = NULL, 0, NULL
        return self.push(&empty, True)

    cdef Flow push_trailers(self, Fields* trailers) noexcept:
        """The source ended with trailers, which pass the stages untouched."""
        self.trailers = trailers
        return self.push_last()

    cdef Flow on_stage_ticket(self, Stage stage, Ticket t) noexcept:
        """What a stage waited for has happened."""
        stage.fired = t
        return self.run()

    cdef Flow run(self) noexcept:
        """Move everything that can move; never calls itself."""
        cdef Work work
        self.again = True
        if self.running:
            return FLOW_FULL
        self.running = True
        while self.again and not self.closed:
            self.again = False
            work = self.sweep()
            if work == WORK_REPLY:
                self.running = False
                return FLOW_REPLY
            if work == WORK_DONE:
                self.again = True
        self.running = False
        return FLOW_FULL if self.full() else FLOW_ROOM

    cdef Work sweep(self) noexcept:
        """One pass from the sinks back to the source."""
        cdef int i, n = len(self.stages)
        cdef Work work, done = WORK_NONE
        cdef Stage stage, after = None
        for i in range(n - 1, -1, -1):
            stage = <Stage>self.stages[i]
            if self.drain(stage, after):
                done = WORK_DONE
            if self.closed:
                return done
            work = stage.advance()
            if work == WORK_REPLY:
                self.trouble = stage.trouble
                return work
            if work == WORK_DONE:
                done = work
            after = stage
        return WORK_DONE if self.feed() else done

    cdef bint feed(self) noexcept:
        """Hand input to the first stage, or to the sinks; whether anything moved."""
        cdef bint moved = False
        cdef Stage stage = <Stage>self.stages[0] if self.stages else None
        cdef Held h
        while self.input.n and not self.closed:
            if self.blocked() if stage is None else stage.has_pending:
                break
            h = queue_take(&self.input)
            if stage is None:
                self.deliver(&h)
            else:
                stage.take(&h)
            moved = True
        return moved

    cdef bint drain(self, Stage stage, Stage after) noexcept:
        """Hand a stage's output on; whether anything moved."""
        cdef bint moved = False
        cdef Held h
        while not self.closed and stage.out.n:
            if self.blocked() if after is None else after.has_pending:
                break
            h = queue_take(&stage.out)
            if after is None:
                self.deliver(&h)
            else:
                after.take(&h)
            moved = True
        return moved

    cdef Held* next_out(self) noexcept:
        """The oldest chunk that waits for the sinks, or NULL."""
        if self.tail is None or self.tail.out.n == 0:
            return NULL
        return &self.tail.out.rows[self.tail.out.first]

    cdef bint full(self) noexcept:
        """Whether the source has to wait: one outstanding chunk, unless a stage collects."""
        cdef Stage stage
        cdef bint collecting = False
        if self.closed or self.input.n:
            return True
        for stage in self.stages:
            if stage.stuck():
                return True
            collecting = collecting or stage.collecting()
        return not collecting and self.blocked()

    # -- sinks ---------------------------------------------------------------------------

    cdef bint blocked(self) noexcept:
        """Whether a holding sink has no room."""
        cdef Reader r
        for r in self.readers:
            if r.waits and r.sink.rule != SINK_DROPS:
                return True
        return False

    cdef void hold(self) noexcept:
        """The exchange's own reader has no room until `release`."""
        if self.own is not None:
            self.own.waits = True

    cdef Flow release(self) noexcept:
        """The exchange's own reader takes chunks again."""
        if self.own is not None:
            self.own.waits = False
        return self.run()

    cdef bint leave(self) noexcept:
        """Nobody stands behind the exchange's own reader any more; whether the source should
        go on."""
        self.left = True
        if self.own is not None:
            self.own.waits = False
        return self.read_on()

    cdef bint read_on(self) noexcept:
        """Whether a reader is left that keeps the source going."""
        cdef Reader r
        for r in self.readers:
            if r.sink.rule != SINK_DROPS and not (self.left and r is self.own):
                return True
        return False

    cdef bint remove(self, Sink sink) noexcept:
        """A sink left; whether it had been there."""
        cdef Reader r
        for r in self.readers:
            if r.sink is sink:
                r.cut = True
                self.readers.remove(r)
                return True
        return False

    cdef Flow on_sink_room(self, Sink sink) noexcept:
        """A sink takes chunks again."""
        cdef Reader r
        for r in self.readers:
            if r.sink is sink:
                r.waits = False
                self.catch_up(r, False)
                break
        return self.run()

    cdef void deliver(self, Held* h) noexcept:
        """Give one chunk to every reader, each with a reference of its own."""
        cdef Reader r
        if h.last:
            self.ended = True
        for r in list(self.readers):
            if r.cut:
                continue
            if r.waits:
                self.fall_behind(r, h)
            else:
                self.tell(r, h)
        chunk_release(&h.chunk)

    cdef void tell(self, Reader r, Held* h) noexcept:
        """Hand a chunk to one sink, trailers behind the last one."""
        cdef Chunk c = h.chunk
        cdef Fields* trailers = self.trailers if h.last else NULL
        if c.n or trailers == NULL:
            if c.owner != NULL:
                buffer_hold(c.owner)
            # Whoever is told may call `release` or `hold` within the call: what was said
            # last counts.
            r.waits = True
            if r.sink.on_chunk(&c, h.last and trailers == NULL):
                r.waits = False
        if trailers != NULL and not r.cut:
            r.sink.on_trailers(trailers)

    cdef void fall_behind(self, Reader r, Held* h) noexcept:
        """Keep a chunk for a dropping sink; past its bound the sink is cut off."""
        cdef Chunk c = h.chunk
        if r.behind_n + c.n > r.sink.bound:
            self.cut_off(r, REASON_CANCELLED)
            return
        if c.owner != NULL:
            buffer_hold(c.owner)
        if queue_put(&r.behind, &c, h.last):
            r.behind_n += c.n
        else:
            self.cut_off(r, REASON_MEMORY)

    cdef void cut_off(self, Reader r, Reason why) noexcept:
        """A reader is told that nothing more comes, and is one no more."""
        r.cut = True
        if r in self.readers:
            self.readers.remove(r)
        queue_free(&r.behind)
        r.sink.on_cut(why)

    cdef void catch_up(self, Reader r, bint all) noexcept:
        """Give a dropping sink what it is behind with, `all` of it or while it has room."""
        cdef Held h
        while r.behind.n and not r.cut and (all or not r.waits):
            h = queue_take(&r.behind)
            r.behind_n -= h.chunk.n
            self.tell(r, &h)
            chunk_release(&h.chunk)

    # -- the end -------------------------------------------------------------------------

    cdef void cut(self, Reason why) noexcept:
        """Nothing more moves: hand out what is left of a whole body (a dropping sink is
        behind by its bound at the most), else tell the sinks; release everything."""
        cdef Reader r
        cdef Stage stage
        cdef list readers = self.readers
        if self.closed:
            return
        self.closed = True
        self.readers = []
        for r in readers:
            if self.ended:
                self.catch_up(r, True)
            elif not r.cut:
                r.sink.on_cut(why)
            r.cut = True
        for stage in self.stages:
            stage.drop()
        queue_free(&self.input)
        self.x = None
        self.own = None


cdef class Pipes:
    """See pipe.pxd."""
