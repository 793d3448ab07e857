"""Answer: where the reading of one answer stands; `take_answer` goes on from there.

It is a reader of its own, not the gateway's: what measures a thing must not share its faults.
It is no stricter than it needs to be to find the end of an answer, and looks at every byte of
a body whose bytes are known.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint64_t
from fastgw.ext.load.histogram cimport Counts
from fastgw.ext.load.script cimport Step

cdef enum Reading:
    R_HEAD
    R_LENGTH                    # a body of `left` more bytes
    R_CHUNK_LINE
    R_CHUNK                     # `left` more bytes of a chunk, and its CRLF
    R_TRAILER
    R_CLOSE                     # a body that the end of the connection ends
    R_FRAME                     # a WebSocket frame (RFC 6455)

cdef enum Verdict:
    A_MORE                      # all was taken that can be; more bytes are needed
    A_DONE                      # the answer is whole
    A_BROKEN                    # no answer, or not one that can be read on
    A_BODY                      # the body is not the one that was expected


cdef struct Events:
    Counts* delays              # ns from the time that an event tells to its arrival
    uint64_t count


cdef struct Answer:
    uint8_t reading             # Reading
    bint closes                 # the head says that the connection ends with this answer
    bint wrong_status
    int64_t left
    int64_t seen                # bytes of the body so far
    Events* events              # the body is a stream of events; or NULL
    int64_t number              # of the event's time, as far as it was read; -1: not within it


cdef size_t take_answer(
    Answer* a, const Step* s, const char* p, size_t n, Verdict* verdict
) noexcept nogil
cdef bint ended_well(Answer* a, const Step* s) noexcept nogil
