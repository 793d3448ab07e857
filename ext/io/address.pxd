"""Addresses: from the kernel's form to the one that heads and logs are written from."""

from fastgw.ext.io.stream cimport Address, Stream
from fastgw.ext.io.syscalls cimport sockaddr


cdef void address_fill(Address* a, const sockaddr* from_kernel) noexcept
cdef void learn_local(Stream s) noexcept
cdef object address_text(const Address* a)
