"""The access log: a line for each exchange that ended and that the rules want.

A line is put together without Python, straight into its sink's memory. A sink whose reader
is slow or gone drops lines and counts them: it never stalls a client.
"""

from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.exchange.shared cimport Recorder
from fastgw.ext.record.lines cimport LineSink
from fastgw.ext.record.log_line cimport LineFormat
from fastgw.ext.record.log_rules cimport LogRules


cdef class AccessLog(Recorder):
    cdef LineFormat format
    cdef LogRules rules               # None: every exchange gets a line
    cdef readonly LineSink sink
    cdef Recorder following           # told after this one, or None
