"""Lines of the access log for connections that were carried to a server as they came.

They have the format of all lines; what only a request has is left out. Of the rules, those
hold that ask for nothing but a reason or a duration.
"""

from fastgw.ext.exchange.shared cimport Shared
from fastgw.ext.io.passthrough cimport Pass, PassRecorder
from fastgw.ext.record.access_log cimport AccessLog
from fastgw.ext.record.log_values cimport LogPiece, LogValue


cdef class PassLog(PassRecorder):
    cdef AccessLog log
    cdef Shared shared                # knows the time

    cdef void find(self, LogValue* v, const LogPiece* piece, Pass p) noexcept
