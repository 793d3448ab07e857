"""Request ids; see request_id.pxd.

The random half comes from xoshiro256** seeded by getrandom: ids must be unique, not
secret. A fork seeds anew, because both sides would go on with the same state.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy
import os

cdef uint64_t _state[4]
cdef char _hex[512]            # two digits a byte


def _fill_hex() -> None:
    """The table of digits."""
    for i, pair in enumerate(f"{i:02x}".encode() for i in range(256)):
        _hex[2 * i], _hex[2 * i + 1] = pair[0], pair[1]


_fill_hex()


def reseed() -> None:
    """Take a new seed from the kernel; called at import and in every forked child."""
    cdef bytes seed = os.urandom(32)
    memcpy(_state, <const char*>seed, 32)
    _state[0] |= 1


reseed()
os.register_at_fork(after_in_child=reseed)


cdef inline uint64_t _rotl(uint64_t x, int k) noexcept nogil:
    return (x << k) | (x >> (64 - k))


cdef uint64_t next_random() noexcept nogil:
    """The generator's next 64 bits (xoshiro256**)."""
    cdef uint64_t result = _rotl(_state[1] * 5, 7) * 9
    cdef uint64_t t = _state[1] << 17
    _state[2] ^= _state[0]
    _state[3] ^= _state[1]
    _state[1] ^= _state[2]
    _state[0] ^= _state[3]
    _state[2] ^= t
    _state[3] = _rotl(_state[3], 45)
    return result


cdef inline void _put_byte(char* out, uint64_t word) noexcept nogil:
    """The two digits of the lowest byte."""
    memcpy(out, &_hex[2 * (word & 255)], 2)


cdef void new_request_id(char* out, int64_t now_ms) noexcept:
    """Write 36 characters: 48 bits of Unix milliseconds, version 7, 74 random bits."""
    cdef uint64_t high = next_random()
    cdef uint64_t low = next_random()
    cdef int i
    high = (<uint64_t>now_ms << 16) | 0x7000 | (high & 0x0FFF)
    low = (low & <uint64_t>0x3FFFFFFFFFFFFFFF) | (<uint64_t>1 << 63)
    for i in range(4):
        _put_byte(out + 2 * i, high >> (56 - 8 * i))
        _put_byte(out + 28 + 2 * i, low >> (24 - 8 * i))
    out[8] = out[13] = out[18] = out[23] = 45
    for i in range(2):
        _put_byte(out + 9 + 2 * i, high >> (24 - 8 * i))
        _put_byte(out + 14 + 2 * i, high >> (8 - 8 * i))
        _put_byte(out + 19 + 2 * i, low >> (56 - 8 * i))
        _put_byte(out + 24 + 2 * i, low >> (40 - 8 * i))
