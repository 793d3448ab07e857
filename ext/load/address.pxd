"""Socket addresses from text."""

from fastgw.ext.io.syscalls cimport sockaddr_storage, socklen_t


cdef socklen_t fill_address(sockaddr_storage* a, str ip, int port) except 0
