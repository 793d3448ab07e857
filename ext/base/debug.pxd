"""Live-object counters of debug builds; nothing at all in release builds."""

cdef extern from "base/debug.h" nogil:
    bint FASTGW_DEBUG_ON
    enum LiveKind:
        BUFFERS
        STREAMS
        EXCHANGES
        ATTEMPTS
        TICKETS
        DEADLINES
        LIVE_KINDS
    void debug_born(int kind)
    void debug_died(int kind)
    long debug_live(int kind)
    void debug_poison(void* p, size_t n)
    void debug_assert "FASTGW_ASSERT" (bint condition)
