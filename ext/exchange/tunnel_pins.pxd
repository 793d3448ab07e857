"""What an exchange keeps of its snapshot once it is a tunnel."""

from fastgw.ext.exchange.contract cimport Exchange

cdef void pin_for_tunnel(Exchange x) noexcept
