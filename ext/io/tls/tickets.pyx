# distutils: libraries = ssl crypto
"""TicketKeys; see tickets.pxd."""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.string cimport memcmp, memcpy, memset
from fastgw.ext.io.tls.openssl cimport OPENSSL_cleanse, RAND_bytes

cdef extern from *:
    """
    static inline uint32_t ring_load(const uint32_t* p) {
        return __atomic_load_n(p, __ATOMIC_ACQUIRE);
    }
    static inline void ring_store(uint32_t* p, uint32_t value) {
        __atomic_store_n(p, value, __ATOMIC_RELEASE);
    }
    static inline int ring_claim(int64_t* p, int64_t was, int64_t value) {
        return __atomic_compare_exchange_n(p, &was, value, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    }
    static inline void ring_free(int64_t* p) { __atomic_store_n(p, 0, __ATOMIC_RELEASE); }
    """
    uint32_t ring_load(const uint32_t* p) nogil
    void ring_store(uint32_t* p, uint32_t value) nogil
    bint ring_claim(int64_t* p, int64_t was, int64_t value) nogil
    void ring_free(int64_t* p) nogil

cdef extern from "<time.h>" nogil:
    int64_t time(void* at)

cdef enum:
    LAYOUT = 1
    TURN_MOST_S = 10            # who began to turn that long ago has died
    KEY_BYTES = 80              # of a key in a file: name, mac, cipher

#: Bytes of shared memory that a ring takes.
RING_BYTES = sizeof(TicketRing)
#: How long a key seals, by default: 12 h.
EVERY_S = 43200


def make_ring(memory, bytes keys=b"") -> None:
    """Write a ring into `memory`: of one fresh key, or of those of a file, 80 bytes each (name
    16, HMAC 32, AES 32; the first one seals). ValueError: not a multiple, or too many."""
    cdef Py_buffer view
    if len(keys) % KEY_BYTES or len(keys) > KEY_BYTES * TICKET_OPENERS:
        raise ValueError(
            f"{len(keys)} bytes of ticket keys: one to {<int>TICKET_OPENERS} of {<int>KEY_BYTES}"
        )
    PyObject_GetBuffer(memory, &view, PyBUF_WRITABLE)
    try:
        if <size_t>view.len < sizeof(TicketRing):
            raise ValueError(f"a ring of ticket keys takes {sizeof(TicketRing)} bytes")
        _fill(<TicketRing*>view.buf, keys)
    finally:
        PyBuffer_Release(&view)


cdef int _fill(TicketRing* ring, bytes keys) except -1:
    cdef int i, n = <int>(len(keys) // KEY_BYTES)
    cdef const uint8_t* p = <const uint8_t*><const char*>keys
    memset(ring, 0, sizeof(TicketRing))
    memcpy(ring.magic, b"FGWTICK\0", 8)
    ring.layout, ring.fixed, ring.count = LAYOUT, n > 0, n if n else 1
    ring.newest = ring.count - 1
    if n == 0 and not _fresh(&ring.keys[0], time(NULL)):
        raise OSError("no random bytes")
    for i in range(n):                  # the file's first is the newest
        memcpy(&ring.keys[n - 1 - i], p + i * KEY_BYTES, KEY_BYTES)
    return 0


cdef bint _fresh(TicketKey* key, int64_t now_s) noexcept:
    """A new key; False: there are no random bytes."""
    cdef TicketKey made
    if RAND_bytes(<uint8_t*>&made, KEY_BYTES) != 1:
        return False
    made.made_s = now_s
    key[0] = made
    OPENSSL_cleanse(&made, sizeof(made))
    return True


cdef class TicketKeys:
    """See tickets.pxd."""

    def __init__(self, memory, every_s: int = EVERY_S) -> None:
        """`memory`: a writable buffer that `make_ring` has filled, kept while this lives."""
        cdef Py_buffer view
        PyObject_GetBuffer(memory, &view, PyBUF_WRITABLE)
        self.ring = <TicketRing*>view.buf
        right = <size_t>view.len >= sizeof(TicketRing) and (
            memcmp(self.ring.magic, b"FGWTICK\0", 8) == 0 and self.ring.layout == LAYOUT
        )
        PyBuffer_Release(&view)         # mappings and bytearrays stay where they are
        if not right:
            raise ValueError("not a ring of ticket keys")
        self.memory = memoryview(memory)
        self.every_s = every_s

    def names(self) -> list[bytes]:
        """The names of the keys that open, newest first."""
        cdef uint32_t i, newest = ring_load(&self.ring.newest)
        return [
            bytes(self.ring.keys[(newest - i) % TICKET_KEYS].name[:16])
            for i in range(min(self.ring.count, <uint32_t>TICKET_OPENERS))
        ]

    def turn_now(self) -> None:
        """Make the next key, whatever the newest one's age."""
        self.turn(time(NULL))

    cdef const TicketKey* sealing(self) noexcept:
        """The newest key; makes the next one first if it is too old."""
        cdef uint32_t newest = ring_load(&self.ring.newest)
        cdef int64_t now_s = time(NULL)
        if not self.ring.fixed and now_s - self.ring.keys[newest % TICKET_KEYS].made_s >= (
            self.every_s
        ):
            self.turn(now_s)
            newest = ring_load(&self.ring.newest)
        return &self.ring.keys[newest % TICKET_KEYS]

    cdef const TicketKey* opening(self, const uint8_t* name, bint* old) noexcept:
        """The key of a ticket, and whether it is not the newest; NULL: none of ours."""
        cdef uint32_t newest = ring_load(&self.ring.newest)
        cdef uint32_t i
        cdef const TicketKey* key
        for i in range(min(self.ring.count, <uint32_t>TICKET_OPENERS)):
            key = &self.ring.keys[(newest - i) % TICKET_KEYS]
            if memcmp(key.name, name, 16) == 0:
                old[0] = i > 0
                return key
        return NULL

    cdef void turn(self, int64_t now_s) noexcept:
        """Make the next key, unless another process is about to."""
        cdef int64_t since = self.ring.turning_s
        cdef uint32_t newest
        if self.ring.fixed or (since and now_s - since < TURN_MOST_S):
            return
        if not ring_claim(&self.ring.turning_s, since, now_s):
            return
        newest = ring_load(&self.ring.newest)
        if _fresh(&self.ring.keys[(newest + 1) % TICKET_KEYS], now_s):
            if self.ring.count < TICKET_OPENERS:
                self.ring.count += 1
            ring_store(&self.ring.newest, newest + 1)
        ring_free(&self.ring.turning_s)
