"""TicketKeys: the keys that session tickets are sealed with (RFC 5077, RFC 8446 section 4.6.1).

They belong to the node: one piece of shared memory that all workers see, so that a session
begun in one worker resumes in any. It is a ring of four keys; the newest seals, it and the
two before it open. Whoever seals and finds the newest too old makes the next one in the slot
that nobody uses any more, then moves `newest`: no reader ever waits, and a process that dies
meanwhile leaves the ring as it was. Keys that were loaded from a file are never turned.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t


cdef enum:
    TICKET_KEYS = 4             # slots of the ring
    TICKET_OPENERS = 3          # the newest ones, which open


cdef struct TicketKey:
    uint8_t name[16]            # stands in the ticket, so that its key is found
    uint8_t mac[32]             # HMAC-SHA256
    uint8_t cipher[32]          # AES-256-CBC
    int64_t made_s              # when, by the wall clock


cdef struct TicketRing:
    char magic[8]               # "FGWTICK\0"
    uint32_t layout             # 1
    uint32_t fixed              # keys are a file's: never turned
    uint32_t count              # keys in use, from the newest back
    uint32_t newest             # ever growing; its slot is newest % TICKET_KEYS
    int64_t turning_s           # when somebody began to make a key; 0 = nobody does
    TicketKey keys[4]


cdef class TicketKeys:
    cdef TicketRing* ring
    cdef object memory                # keeps the ring alive
    cdef readonly int64_t every_s     # age at which the newest is turned

    cdef const TicketKey* sealing(self) noexcept
    cdef const TicketKey* opening(self, const uint8_t* name, bint* old) noexcept
    cdef void turn(self, int64_t now_s) noexcept
