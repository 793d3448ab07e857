"""Whether the gateway is alive or ready, in the upstream's place (docs/policies/health.md)."""

from fastgw.ext.exchange.contract cimport Policy


cdef class HealthPolicy(Policy):
    """Answers every request that gets here with 200, or 503 when the gateway is to end."""
    cdef readonly bint ready          # whether it can turn red; else it only shows life
