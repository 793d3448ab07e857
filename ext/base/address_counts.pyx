"""AddressCounts; see address_counts.pxd."""


cdef class AddressCounts:
    """See address_counts.pxd."""

    cdef int32_t enter(self, const uint8_t* address, uint64_t whose, uint32_t most) noexcept:
        """Count one connection more."""
        return COUNT_NO_PLACE

    cdef void leave(self, int32_t row) noexcept:
        """A connection that was counted has ended."""
