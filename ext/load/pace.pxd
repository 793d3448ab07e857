"""Pace: when the requests of an open loop are due."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from fastgw.ext.io.syscalls cimport itimerspec, timerfd_settime
from fastgw.ext.load.clock cimport NS_PER_MS, NS_PER_S

cdef enum:
    LEAST_TICK_NS = 20000       # of the timer


cdef struct Pace:
    int timer                   # timerfd that wakes the loop; owned by the load
    double rate                 # requests a second; 0: closed loop, or by `due`
    const int64_t* due          # ns after the begin of each request, rising; or NULL
    uint32_t due_n
    int64_t begin_ns            # of the phase
    int64_t end_ns


cdef inline int64_t due_ns(const Pace* p, uint64_t k) noexcept nogil:
    """When the k-th request of the phase is due; the end of the phase if there is none."""
    if p.due != NULL:
        return p.begin_ns + p.due[k] if k < p.due_n else p.end_ns
    return p.begin_ns + <int64_t>(<double>k * NS_PER_S / p.rate)


cdef inline void set_pace_timer(const Pace* p, bint on) noexcept nogil:
    """A tick for each request, or each millisecond of a replay."""
    cdef itimerspec s
    cdef int64_t tick = NS_PER_MS
    if p.rate > 0:
        tick = <int64_t>(NS_PER_S / p.rate)
        if tick < LEAST_TICK_NS:
            tick = LEAST_TICK_NS
    s.it_interval.tv_sec, s.it_interval.tv_nsec = tick // NS_PER_S, tick % NS_PER_S
    s.it_value.tv_sec, s.it_value.tv_nsec = 0, 1
    if not on:
        s.it_interval.tv_sec = s.it_interval.tv_nsec = s.it_value.tv_nsec = 0
    timerfd_settime(p.timer, 0, &s, NULL)
