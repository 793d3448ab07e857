"""A redirect in the upstream's place (docs/policies/redirect.md)."""

from libc.stdint cimport uint16_t
from fastgw.ext.exchange.contract cimport Policy
from fastgw.ext.policy.template cimport Template


cdef class RedirectPolicy(Policy):
    """Answers every request that gets here with a Location."""
    cdef readonly uint16_t status
    cdef readonly Template to
    cdef readonly bint local          # the target begins with a path: it stays on this host
