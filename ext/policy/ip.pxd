"""Who may connect: allow and deny lists of client addresses (docs/policies/ip.md)."""

from fastgw.ext.base.networks cimport Networks
from fastgw.ext.exchange.contract cimport Exchange, Policy


cdef class IpPolicy(Policy):
    """`deny` wins; a list in `allow` refuses everyone else."""
    cdef readonly Networks allow
    cdef readonly Networks deny
    cdef readonly bint has_allow      # somebody is named in `allow`
    cdef readonly bint allow_unix     # "unix" is
    cdef readonly bint deny_unix

    cdef bint admits(self, Exchange x) noexcept
