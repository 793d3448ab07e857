"""Rig: a worker without sockets, whose clock a test moves.

    rig = Rig(snapshot); conn = rig.connect(); ... rig.turn(); rig.pass_ms(50); rig.records
"""

from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.exchange.exchange cimport Dispatcher, Recorder
from fastgw.ext.io.engine cimport Engine


cdef class ListRecorder(Recorder):
    cdef readonly list rows           # a dict an exchange that ended


cdef class Rig:
    cdef readonly Engine engine
    cdef readonly Dispatcher dispatcher
    cdef readonly ListRecorder recorder
    cdef readonly list logged         # (level, text)
