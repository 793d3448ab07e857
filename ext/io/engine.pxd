"""Engine: the worker's own epoll set, one reader of the event loop.

A *turn* is: collect events, tell the handles, run what was put off, write every stream
that has something to say with one sendmsg, free what was dropped. A few turns are made
for each wake-up, then Python gets its share of the loop. Interest is edge-triggered and
registered once; EPOLLOUT is asked for only after EAGAIN. A handle may be *adopted* first and
watched when an event is really waited for: a connection of a single request may never be.

The *heartbeat* is a word in shared memory that gets the clock's milliseconds a few times a
second: an engine that makes no turns, whatever keeps it from them, is seen by others.

Python code of the same loop may call into handles outside of a turn; what that puts off
(a write, a deadline, a drop) makes a turn soon, without waiting for an event. It calls
`refresh_clock` first if it reads `now_ms`.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from fastgw.ext.base.buffers cimport BufferPool
from fastgw.ext.base.deadlines cimport Deadline, Wheel


cdef class Handle:
    """Something with a descriptor in the engine's set, or something to be told later."""
    cdef Engine engine
    cdef int fd                       # -1 when there is none (any more)
    cdef uint32_t interest            # what epoll was told, or will be
    cdef bint unwatched               # adopted, and not in the set yet
    cdef bint later                   # stands in `todo`
    cdef bint again                   # stands in `next`

    cdef void on_events(self, uint32_t events) noexcept
    cdef void on_later(self) noexcept
    cdef void on_relief(self) noexcept


cdef class Engine:
    cdef readonly int epfd
    cdef readonly int timerfd
    cdef readonly BufferPool pool
    cdef readonly Wheel wheel
    cdef readonly int64_t now_ms      # CLOCK_MONOTONIC, read once a turn
    cdef readonly int64_t now_us      # the same clock in microseconds
    cdef char* scratch                # where lent bytes are received
    cdef readonly size_t scratch_n    # its size
    cdef object loop                  # the event loop that tells us, or None
    cdef object relays                # stream.Relays, or None: no relaying
    cdef list todo                    # handles put off to the end of this turn
    cdef list next                    # handles put off to the next turn
    cdef list spare_todo              # an empty list to swap it with
    cdef list dropped                 # closed handles kept alive until the turn ends
    cdef list starved                 # streams whose reading waits for buffer memory
    cdef Deadline hunger              # tries again for the starved
    cdef uint64_t* beat               # a word in shared memory, or NULL: nobody looks
    cdef object beat_owner            # keeps it mapped
    cdef Deadline next_beat
    cdef readonly uint64_t turns      # with something to do
    cdef readonly uint64_t wakeups
    cdef readonly uint64_t events     # told by epoll
    cdef readonly uint64_t sends      # sendmsg calls
    cdef readonly uint64_t receives   # recv calls
    cdef readonly uint64_t arms       # times the timerfd was set
    cdef bint in_turn
    cdef bint woken                   # the loop was asked for a turn
    cdef public int rounds            # turns a wake-up, at most
    cdef public int busy              # events that make another turn worth a system call
    cdef int64_t armed_ms             # for when the timerfd is set; 0 = not set

    # -- handles --------------------------------------------------------------------
    cdef int add(self, Handle h, uint32_t events) except -1
    cdef void adopt(self, Handle h, uint32_t events) noexcept
    cdef bint watch(self, Handle h) noexcept
    cdef void change(self, Handle h, uint32_t events) noexcept
    cdef void drop(self, Handle h) noexcept
    cdef int release(self, Handle h) noexcept
    cdef void unwatch(self, Handle h) noexcept
    cdef void keep(self, object o) noexcept
    cdef void do_later(self, Handle h) noexcept
    cdef void do_next(self, Handle h) noexcept
    cdef void starve(self, Handle h) noexcept
    # -- turns ----------------------------------------------------------------------
    cdef int turn(self) noexcept
    cdef void enter(self) noexcept
    cdef void leave(self) noexcept
    cdef void run_todo(self) noexcept
    cdef void feed(self) noexcept
    cdef void refresh_clock(self) noexcept
    # -- the timer ------------------------------------------------------------------
    cdef int watch_timer(self) except -1
    cdef void timer_fired(self) noexcept
    cdef void arm(self) noexcept
    cdef void wake(self) noexcept
    cdef void beat_in(self, uint64_t* word, object owner) noexcept
    cdef void set_timer(self, int64_t at_ms) noexcept
