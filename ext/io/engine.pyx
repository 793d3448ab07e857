"""Engine; see engine.pxd."""

from libc.errno cimport errno
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
cimport cython
from fastgw.ext.base.atomics cimport store64
from fastgw.ext.base.deadlines cimport deadline_init
from fastgw.ext.io.syscalls cimport (
    CLOCK_MONOTONIC, EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLEXCLUSIVE,
    EPOLLIN, TFD_CLOEXEC, TFD_NONBLOCK, TFD_TIMER_ABSTIME, clock_gettime, close_fd, epoll_create1,
    epoll_ctl, epoll_event, epoll_wait, itimerspec, read, timerfd_create, timerfd_settime, timespec,
)
import os

cdef enum:
    EVENTS = 256                # taken from the kernel in one turn
    ROUNDS = 8                  # turns a wake-up, while they stay busy
    BUSY = 16                   # events that make another turn worth a system call
    SCRATCH = 65536             # bytes of the receive buffer for lent chunks
    BEAT_MS = 200               # between two heartbeats
    HUNGER_MS = 100             # the starved look for memory at least this often


@cython.no_gc
cdef class Handle:
    """See engine.pxd."""

    def __cinit__(self):
        self.fd = -1

    cdef void on_events(self, uint32_t events) noexcept:
        """Epoll reported `events` for `fd`."""

    cdef void on_later(self) noexcept:
        """The turn is about to end."""

    cdef void on_relief(self) noexcept:
        """Buffer memory is free again (the handle stood in `starved`)."""


@cython.no_gc_clear               # __dealloc__ needs the wheel
cdef class Engine:
    """See engine.pxd."""

    def __cinit__(self, BufferPool pool=None):
        self.epfd = self.timerfd = -1
        self.pool = pool if pool is not None else BufferPool()
        self.wheel = Wheel()
        self.todo, self.spare_todo, self.next = [], [], []
        self.dropped, self.starved = [], []
        self.rounds, self.busy = ROUNDS, BUSY
        deadline_init(&self.hunger, <void*>self, hungry)
        deadline_init(&self.next_beat, <void*>self, beats)
        self.wheel.on_earlier, self.wheel.told = earlier, <void*>self
        self.scratch = <char*>malloc(SCRATCH)
        if self.scratch == NULL:
            raise MemoryError
        self.scratch_n = SCRATCH
        self.epfd = epoll_create1(EPOLL_CLOEXEC)
        self.timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        if self.epfd < 0 or self.timerfd < 0:
            raise OSError(errno, os.strerror(errno))
        self.watch_timer()
        self.refresh_clock()
        self.wheel.advance(self.now_ms)

    def __dealloc__(self):
        self.wheel.on_earlier = NULL
        self.wheel.clear(&self.hunger)
        self.wheel.clear(&self.next_beat)
        if self.epfd >= 0:
            close_fd(self.epfd)
        if self.timerfd >= 0:
            close_fd(self.timerfd)
        free(self.scratch)

    cdef int watch_timer(self) except -1:
        """The timerfd's events carry a NULL handle."""
        cdef epoll_event e
        e.events = EPOLLIN
        e.data.ptr = NULL
        if epoll_ctl(self.epfd, EPOLL_CTL_ADD, self.timerfd, &e) < 0:
            raise OSError(errno, os.strerror(errno))
        return 0

    # -- the event loop's side ------------------------------------------------------------

    def attach(self, loop) -> None:
        """Become a reader of `loop` (uvloop's or asyncio's)."""
        self.loop = loop
        loop.add_reader(self.epfd, self.run)
        if self.todo or self.next:
            self.wake()

    def detach(self, loop=None) -> None:
        """Stop being told."""
        if self.loop is not None:
            self.loop.remove_reader(self.epfd)
            self.loop = None

    def run(self) -> None:
        """A wake-up: a few turns, then the loop gets its share."""
        cdef int i
        self.wakeups += 1
        for i in range(self.rounds):  # no-cython-lint
            if self.turn() < self.busy and not self.next:
                break
        if self.next or self.todo:
            self.wake()

    def run_woken(self) -> None:
        """The turn that `wake` asked for."""
        self.woken = False
        if self.loop is not None:
            self.run()

    cdef void wake(self) noexcept:
        """Have a turn made soon: something was put off outside of any.

        Costs the loop no system call; an engine that is not attached yet wakes then."""
        if self.woken or self.loop is None:
            return
        self.woken = True
        self.loop.call_soon(self.run_woken)

    # -- turns ------------------------------------------------------------------------------

    cdef int turn(self) noexcept:
        """Collect, tell, flush, free; how many events there were."""
        cdef epoll_event events[EVENTS]
        cdef int i
        cdef int n = epoll_wait(self.epfd, events, EVENTS, 0)
        if n <= 0 and not self.todo and not self.next and not self.dropped:
            return 0
        self.enter()
        for i in range(n):
            if events[i].data.ptr == NULL:
                self.timer_fired()
            elif (<Handle>events[i].data.ptr).fd >= 0:
                (<Handle>events[i].data.ptr).on_events(events[i].events)
        if n > 0:
            self.events += n
        self.leave()
        return n

    cdef void enter(self) noexcept:
        """Begin a turn; what was put off to it stands in `todo` now."""
        cdef Handle h
        self.turns += 1
        self.in_turn = True
        self.refresh_clock()
        if self.next:
            for h in self.next:
                h.again = False
                self.do_later(h)
            self.next.clear()

    cdef void leave(self) noexcept:
        """End a turn: what was put off, buffers to those who starve, the timer, the dropped."""
        self.run_todo()
        while self.starved and self.pool.relief:
            self.feed()
            self.run_todo()
        self.in_turn = False
        self.arm()
        if self.dropped:
            self.dropped.clear()

    cdef void run_todo(self) noexcept:
        """Run what was put off, and what that puts off."""
        cdef list todo
        cdef Handle h
        while self.todo:
            todo, self.todo = self.todo, self.spare_todo
            for h in todo:
                h.later = False
                h.on_later()
            todo.clear()
            self.spare_todo = todo

    cdef void feed(self) noexcept:
        """Buffers are free again: let those go on who wait for them."""
        cdef list starved = self.starved
        cdef Handle h
        self.pool.relief = False
        self.starved = []
        for h in starved:
            h.on_relief()

    cdef void starve(self, Handle h) noexcept:
        """Tell `h` when buffer memory is free again (`on_relief`)."""
        self.pool.relief = False
        self.starved.append(h)
        if self.hunger.at_ms == 0:
            self.wheel.set(&self.hunger, self.now_ms + HUNGER_MS)

    cdef void refresh_clock(self) noexcept:
        """Read the clock."""
        cdef timespec t
        clock_gettime(CLOCK_MONOTONIC, &t)
        self.now_us = <int64_t>t.tv_sec * 1000000 + t.tv_nsec // 1000
        self.now_ms = self.now_us // 1000

    # -- handles ------------------------------------------------------------------------------

    cdef int add(self, Handle h, uint32_t events) except -1:
        """Watch `h.fd`, edge-triggered bits included in `events`; keeps `h` alive."""
        h.interest = events
        if not self.watch(h):
            raise OSError(errno, os.strerror(errno))
        h.engine = self
        Py_INCREF(h)
        return 0

    cdef void adopt(self, Handle h, uint32_t events) noexcept:
        """Keep `h` alive, without events of `h.fd` until `watch`, or `change`, asks for them."""
        h.engine = self
        h.interest = events
        h.unwatched = True
        Py_INCREF(h)

    cdef bint watch(self, Handle h) noexcept:
        """Have epoll tell of a handle, also of what happened before; False: errno says why not."""
        cdef epoll_event e
        e.events = h.interest
        e.data.ptr = <void*>h
        if epoll_ctl(self.epfd, EPOLL_CTL_ADD, h.fd, &e) < 0:
            return False
        h.unwatched = False
        return True

    cdef void change(self, Handle h, uint32_t events) noexcept:
        """Ask for other events; none at all takes a shared listener out of the set."""
        cdef epoll_event e
        cdef uint32_t had = h.interest
        if h.fd < 0 or had == events:
            return
        e.events = events
        e.data.ptr = <void*>h
        h.interest = events
        if h.unwatched:
            self.watch(h)
        elif not (had | events) & EPOLLEXCLUSIVE:
            epoll_ctl(self.epfd, EPOLL_CTL_MOD, h.fd, &e)
        else:                           # the kernel refuses to MOD exclusive interest
            epoll_ctl(self.epfd, EPOLL_CTL_DEL, h.fd, &e)
            if events:
                epoll_ctl(self.epfd, EPOLL_CTL_ADD, h.fd, &e)

    cdef void drop(self, Handle h) noexcept:
        """Close the descriptor and let go of the handle when the turn ends.

        Events of this turn may still name it, so it must not die before; closing takes the
        descriptor out of the set unless another process holds it, hence the DEL."""
        if h.fd < 0:
            return
        self.unwatch(h)
        close_fd(h.fd)
        h.fd = -1
        self.keep(h)
        Py_XDECREF(<PyObject*>h)

    cdef int release(self, Handle h) noexcept:
        """Let go of the handle like `drop`, but of its open descriptor, which is the caller's."""
        cdef int fd = h.fd
        self.unwatch(h)
        h.fd = -1
        self.keep(h)
        Py_XDECREF(<PyObject*>h)
        return fd

    cdef void unwatch(self, Handle h) noexcept:
        """Take its descriptor out of the set."""
        cdef epoll_event e
        if not h.unwatched:
            epoll_ctl(self.epfd, EPOLL_CTL_DEL, h.fd, &e)

    cdef void keep(self, object o) noexcept:
        """Let `o` live until the turn ends."""
        self.dropped.append(o)
        if not self.in_turn:
            self.wake()

    cdef void do_later(self, Handle h) noexcept:
        """Call `h.on_later` at the end of this turn; outside of one, begin one."""
        if h.later:
            return
        h.later = True
        self.todo.append(h)
        if not self.in_turn:
            self.wake()

    cdef void do_next(self, Handle h) noexcept:
        """Call `h.on_later` at the end of the next turn, which is made soon."""
        if h.again:
            return
        h.again = True
        self.next.append(h)
        if not self.in_turn:
            self.wake()

    # -- the timer ------------------------------------------------------------------------------

    cdef void beat_in(self, uint64_t* word, object owner) noexcept:
        """Write the heartbeat into `word`, which `owner` keeps mapped; NULL: no more."""
        self.wheel.clear(&self.next_beat)
        self.beat, self.beat_owner = word, owner
        if word != NULL:
            self.refresh_clock()
            beats(<void*>self, 0)

    cdef void timer_fired(self) noexcept:
        """Fire the deadlines that are due."""
        cdef uint64_t count
        if read(self.timerfd, &count, sizeof(count)) < 0:
            pass
        self.armed_ms = 0
        self.wheel.advance(self.now_ms)

    cdef void arm(self) noexcept:
        """Set the timerfd if the wheel's next deadline is earlier than what it is set for."""
        cdef int64_t at = self.wheel.next_ms
        if at == 0 or (self.armed_ms != 0 and self.armed_ms <= at):
            return
        self.armed_ms = at
        self.set_timer(at)

    cdef void set_timer(self, int64_t at_ms) noexcept:
        """Set the timerfd to fire at `at_ms`."""
        cdef itimerspec t
        self.arms += 1
        t.it_interval.tv_sec = t.it_interval.tv_nsec = 0
        t.it_value.tv_sec = at_ms // 1000
        t.it_value.tv_nsec = at_ms % 1000 * 1000000
        timerfd_settime(self.timerfd, TFD_TIMER_ABSTIME, &t, NULL)


cdef void beats(void* owner, int kind) noexcept:
    """A deadline's fire function: the heart beats."""
    cdef Engine e = <Engine>owner
    store64(e.beat, e.now_ms)
    e.wheel.set(&e.next_beat, e.now_ms + BEAT_MS)


cdef void hungry(void* owner, int kind) noexcept:
    """A deadline's fire function: look for memory though nobody told of any."""
    (<Engine>owner).pool.relief = True


cdef void earlier(void* owner) noexcept:
    """A deadline was set before all others: outside of a turn the timer must hear of it."""
    if not (<Engine>owner).in_turn:
        (<Engine>owner).arm()
