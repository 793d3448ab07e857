"""A fixed answer in the upstream's place (docs/policies/respond.md)."""

from libc.stdint cimport uint16_t
from fastgw.ext.exchange.contract cimport Policy


cdef class RespondPolicy(Policy):
    """Answers every request that gets here with the same status, headers and body."""
    cdef readonly uint16_t status
    cdef readonly tuple headers       # (FieldName, Template) pairs
    cdef readonly bytes body          # empty: an error status gets the gateway's page
