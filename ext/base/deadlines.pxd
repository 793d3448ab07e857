"""Deadlines: intrusive timers on one hashed wheel, driven by one timerfd an engine.

Setting, moving and clearing cost a few stores and never allocate. A deadline moved later
is not re-filed: the wheel finds it at its old place, sees the new time and files it again.
Times are milliseconds of CLOCK_MONOTONIC.
"""

from libc.stdint cimport int64_t, uint64_t

ctypedef void (*fire_fn)(void* owner, int kind) noexcept
ctypedef void (*earlier_fn)(void* told) noexcept


cdef struct Deadline:
    Deadline* prev              # ring of the wheel's slot; NULL when not filed
    Deadline* next
    int64_t at_ms               # when it is due; 0 = not set
    int64_t filed_ms            # when its slot comes round
    void* owner                 # handed to `fire`, borrowed
    fire_fn fire
    int kind                    # which of the owner's deadlines this is; changed freely


cdef class Wheel:
    cdef Deadline* slots        # SLOTS ring heads
    cdef uint64_t* occupied     # bitmap of slots with someone in them
    cdef int64_t now_ms         # time of the last `advance`
    cdef readonly int64_t next_ms     # no slot with a deadline comes before; 0 = none filed
    cdef earlier_fn on_earlier        # called when `next_ms` becomes earlier; or NULL
    cdef void* told                   # its argument, borrowed
    cdef readonly uint64_t fired      # since start
    cdef readonly uint64_t filed      # live entries

    cdef void set(self, Deadline* d, int64_t at_ms) noexcept
    cdef void clear(self, Deadline* d) noexcept
    cdef void advance(self, int64_t now_ms) noexcept
    cdef void file(self, Deadline* d) noexcept
    cdef void unfile(self, Deadline* d) noexcept
    cdef void empty_slot(self, int slot, int64_t now_ms) noexcept
    cdef void find_next(self, int64_t tick) noexcept


cdef inline void deadline_init(Deadline* d, void* owner, fire_fn fire) noexcept:
    """An unset deadline that will call `fire(owner, d.kind)`."""
    d.prev = d.next = NULL
    d.at_ms = d.filed_ms = 0
    d.owner = owner
    d.fire = fire
    d.kind = 0
