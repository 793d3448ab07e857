"""Addresses: from the kernel's form to the one that heads and logs are written from."""

from libc.stdint cimport uint8_t, uint16_t
from fastgw.ext.io.stream cimport Address, Stream
from fastgw.ext.io.syscalls cimport sockaddr


cdef void address_fill(Address* a, const sockaddr* from_kernel) noexcept
cdef void address_of(Address* a, uint8_t family, const uint8_t* ip16, uint16_t port) noexcept
cdef void learn_local(Stream s) noexcept
cdef object address_text(const Address* a)
