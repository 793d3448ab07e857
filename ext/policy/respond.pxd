"""A fixed answer in the upstream's place (docs/policies/respond.md)."""

from libc.stdint cimport uint16_t
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Exchange, Policy
from fastgw.ext.policy.body_template cimport BodyTemplate
from fastgw.ext.policy.template cimport Rendered


cdef class RespondPolicy(Policy):
    """Answers every request that gets here with the same status, headers and body."""
    cdef readonly uint16_t status
    cdef readonly tuple headers       # (FieldName, Template) pairs
    cdef readonly bytes body          # empty: an error status gets the gateway's page
    cdef readonly BodyTemplate template   # in place of `body`, or None

    cdef Rendered fill(self, Exchange x, Span* body) noexcept
