"""Connection: what a message says about its connection, and which fields end here.

RFC 9110 section 7.6.1. The rows that `Connection` names are flagged F_HOP before anything of
the gateway's own is added, so it can't take that away. It can't name what decides how a
message is read, routed or let in either.
"""

from libc.stdint cimport uint32_t
from fastgw.ext.base.reasons cimport Reason
from fastgw.ext.http.fieldlines cimport FieldLines


# Sets H_KEEP_ALIVE, H_UPGRADE, H_HAS_CONNECTION, H_TE_TRAILERS in `flags`, F_HOP in rows.
# REASON_BAD_HEADER for a list that is none, REASON_HEAD_TOO_LARGE for one with more members
# than there may be fields.
cdef Reason read_connection(FieldLines* lines, int minor, uint32_t* flags) noexcept nogil
