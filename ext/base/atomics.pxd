"""Words that several processes read and write: loads, stores and swaps with explicit orders.

A *cell* has one writer, so adding is a load and a store (no locked instruction); readers in
other processes see the old or the new value, never half of one.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #define FGW_RELAXED __ATOMIC_RELAXED
    static inline uint64_t fgw_load64(const uint64_t* p)
    { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline void fgw_store64(uint64_t* p, uint64_t v)
    { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
    static inline uint32_t fgw_load32(const uint32_t* p)
    { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
    static inline void fgw_store32(uint32_t* p, uint32_t v)
    { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
    static inline int fgw_swap64(uint64_t* p, uint64_t was, uint64_t v)
    { return __atomic_compare_exchange_n(p, &was, v, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE); }
    static inline int fgw_swap32(uint32_t* p, uint32_t was, uint32_t v)
    { return __atomic_compare_exchange_n(p, &was, v, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE); }
    static inline void fgw_cell_add(uint64_t* p, uint64_t n)
    { __atomic_store_n(p, __atomic_load_n(p, FGW_RELAXED) + n, FGW_RELAXED); }
    static inline void fgw_fence(void)
    { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
    """
    # Loads acquire, stores release.
    uint64_t load64 "fgw_load64"(const uint64_t* p) noexcept nogil
    void store64 "fgw_store64"(uint64_t* p, uint64_t value) noexcept nogil
    uint32_t load32 "fgw_load32"(const uint32_t* p) noexcept nogil
    void store32 "fgw_store32"(uint32_t* p, uint32_t value) noexcept nogil
    # Compare and swap; whether `was` was there.
    bint swap64 "fgw_swap64"(uint64_t* p, uint64_t was, uint64_t value) noexcept nogil
    bint swap32 "fgw_swap32"(uint32_t* p, uint32_t was, uint32_t value) noexcept nogil
    # Add to a word that this process alone writes.
    void cell_add "fgw_cell_add"(uint64_t* p, uint64_t n) noexcept nogil
    void fence "fgw_fence"() noexcept nogil
