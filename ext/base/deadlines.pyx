"""Deadlines on one hashed wheel; see deadlines.pxd.

A slot is 16 ms wide and comes round when its last deadline is due, so that each fires
once, at most a slot late. What is due further away than the wheel's span is filed in the
farthest slot and filed again when that comes round.
"""

from libc.stdlib cimport calloc, free
from fastgw.ext.base.debug cimport debug_assert

cdef enum:
    TICK_SHIFT = 4              # 16 ms a slot
    TICK_MASK = 15
    SLOTS = 4096                # 65 s in all
    WORDS = 64                  # SLOTS / 64


cdef extern from * nogil:
    int ctzll "__builtin_ctzll" (unsigned long long)


cdef class Wheel:
    """See deadlines.pxd."""

    def __cinit__(self):
        cdef int i
        self.slots = <Deadline*>calloc(SLOTS, sizeof(Deadline))
        self.occupied = <uint64_t*>calloc(WORDS, sizeof(uint64_t))
        if self.slots == NULL or self.occupied == NULL:
            raise MemoryError
        for i in range(SLOTS):
            self.slots[i].prev = self.slots[i].next = &self.slots[i]

    def __dealloc__(self):
        free(self.slots)
        free(self.occupied)

    cdef void file(self, Deadline* d) noexcept:
        """Put `d` into the slot of its time, or the farthest one there is."""
        cdef int64_t tick = (d.at_ms + TICK_MASK) >> TICK_SHIFT
        cdef int64_t now = self.now_ms >> TICK_SHIFT
        cdef Deadline* head
        cdef int slot
        if tick <= now:
            tick = now + 1
        elif tick - now >= SLOTS:
            tick = now + SLOTS - 1
        slot = tick & (SLOTS - 1)
        head = &self.slots[slot]
        d.filed_ms = tick << TICK_SHIFT
        d.prev = head.prev
        d.next = head
        head.prev.next = d
        head.prev = d
        self.occupied[slot >> 6] |= <uint64_t>1 << (slot & 63)
        self.filed += 1
        if self.next_ms == 0 or d.filed_ms < self.next_ms:
            self.next_ms = d.filed_ms
            if self.on_earlier != NULL:
                self.on_earlier(self.told)

    cdef void unfile(self, Deadline* d) noexcept:
        """Take `d` out of its slot; the bitmap is put right when the slot is looked at."""
        d.prev.next = d.next
        d.next.prev = d.prev
        d.prev = d.next = NULL
        self.filed -= 1

    cdef void set(self, Deadline* d, int64_t at_ms) noexcept:
        """Make `d` due at `at_ms`; only an earlier time moves it on the wheel."""
        debug_assert(d.fire != NULL)
        d.at_ms = at_ms
        if d.prev != NULL:
            if at_ms >= d.filed_ms:
                return
            self.unfile(d)
        self.file(d)

    cdef void clear(self, Deadline* d) noexcept:
        """`d` is not due any more."""
        d.at_ms = 0
        if d.prev != NULL:
            self.unfile(d)

    cdef void advance(self, int64_t now_ms) noexcept:
        """Fire what is due up to `now_ms`."""
        cdef int64_t tick = self.now_ms >> TICK_SHIFT
        cdef int64_t last = now_ms >> TICK_SHIFT
        cdef int64_t steps = last - tick
        if self.now_ms == 0 or steps > SLOTS:
            steps = SLOTS
        self.now_ms = now_ms
        if self.next_ms and now_ms >= self.next_ms:
            tick = last - steps
            while tick < last:
                tick += 1
                self.empty_slot(tick & (SLOTS - 1), now_ms)
            self.find_next(last)

    cdef void empty_slot(self, int slot, int64_t now_ms) noexcept:
        """Fire or file again whoever is in a slot whose time has come."""
        cdef Deadline* head = &self.slots[slot]
        cdef Deadline* d
        cdef Deadline ring
        if not self.occupied[slot >> 6] & (<uint64_t>1 << (slot & 63)):
            return
        self.occupied[slot >> 6] &= ~(<uint64_t>1 << (slot & 63))
        if head.next == head:
            return
        # The slot's members move to a ring of their own: firing may set new deadlines.
        ring.next, ring.prev = head.next, head.prev
        ring.next.prev = &ring
        ring.prev.next = &ring
        head.next = head.prev = head
        while ring.next != &ring:
            d = ring.next
            self.unfile(d)
            if d.at_ms > now_ms:
                self.file(d)
            else:
                d.at_ms = 0
                self.fired += 1
                d.fire(d.owner, d.kind)

    cdef void find_next(self, int64_t tick) noexcept:
        """Set `next_ms` to the time of the first slot after `tick` that has someone in it.

        Bits of slots that were emptied by `clear` are taken back on the way: without that
        every deadline that was cleared would cost a wake-up."""
        cdef int start = (tick + 1) & (SLOTS - 1)
        cdef int word = start >> 6
        cdef int i, slot
        cdef uint64_t bits = self.occupied[word] & (~<uint64_t>0 << (start & 63))
        for i in range(WORDS + 1):  # no-cython-lint
            while bits:
                slot = (word << 6) + ctzll(bits)
                if self.slots[slot].next != &self.slots[slot]:
                    self.next_ms = (tick + 1 + ((slot - start) & (SLOTS - 1))) << TICK_SHIFT
                    return
                self.occupied[word] &= ~(<uint64_t>1 << (slot & 63))
                bits &= bits - 1
            word = (word + 1) & (WORDS - 1)
            bits = self.occupied[word]
        self.next_ms = 0
