"""Text of log lines: strings escaped, numbers and times in their forms, without Python.

Two forms of a string. JSON: controls, quotes and everything past ASCII are escaped, since
what clients send need not be UTF-8 and must never reach a terminal raw. Plain text: the
same with `\\xHH`, so that a line stays a line and a quoted field stays one (CWE-117).

Every `put_` has room: its caller has asked for what the `_bound` beside it says.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from fastgw.ext.base.span cimport Span


cdef enum:
    LONGEST = 2048              # bytes of a string that are logged; the rest is cut off
    NUMBER_BOUND = 26           # bytes of a number or of a time in any form


cdef enum TextForm:
    FORM_TEXT                   # \xHH
    FORM_JSON                   # \u00HH


# A second's text, so that a date is worked out once a second.
cdef struct Clock:
    int64_t second              # since the epoch, of the texts; -1 = none yet
    char iso[20]                # 2026-11-24T06:00:00.
    char clf[26]                # 24/Nov/2026:06:00:00 +0000


cdef inline size_t text_bound(Span s) noexcept nogil:
    """The most that `put_escaped` writes."""
    return 6 * (s.n if s.n < <size_t>LONGEST else <size_t>LONGEST)


cdef char* put_escaped(char* at, Span s, TextForm form) noexcept nogil
cdef char* put_ms(char* at, int64_t us) noexcept nogil
cdef char* put_iso(char* at, Clock* clock, int64_t unix_ms) noexcept nogil
cdef char* put_clf(char* at, Clock* clock, int64_t unix_ms) noexcept nogil
cdef char* put_seconds(char* at, int64_t unix_ms) noexcept nogil
