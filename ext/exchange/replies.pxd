"""Answers of the gateway's own: error documents, and policies' replies as responses."""

from libc.stdint cimport uint32_t
from fastgw.ext.base.arena cimport Arena
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.http.head cimport Fields

cdef bint build_response(Exchange x) noexcept
cdef void build_bare_response(Exchange x) noexcept
cdef void set_reply(Exchange x, Reason why) noexcept
cdef void refuse_method(Exchange x, uint32_t methods) noexcept
cdef void drop_body_facts(Fields* t, Arena* arena) noexcept
