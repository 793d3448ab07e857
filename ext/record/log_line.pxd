"""A log line's format, compiled: pieces in order, written without Python.

Made from a `LogFormat` (log_options.py). `put_line` writes one exchange's line, or says
that there was no room for it.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint16_t
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.record.log_text cimport Clock, TextForm
from fastgw.ext.record.log_values cimport LogPiece, LogValue
from fastgw.ext.base.span cimport Span


cdef class LineFormat:
    cdef TextForm form
    cdef LogPiece pieces[64]
    cdef uint16_t n                   # pieces in use
    cdef Span shown[16]               # query parameters whose values are shown
    cdef uint16_t shown_n
    cdef bint show_query              # all of them are
    cdef list kept                    # keeps alive what the pieces point to
    cdef Clock clock

    cdef Span keep(self, bytes text)
    cdef void add_piece(self, piece)
    cdef char* put_line(self, char* at, size_t room, Exchange x) noexcept
    cdef char* last_of(self, char* at, size_t room) noexcept
    cdef char* put_piece(
        self, char* at, char* end, const LogPiece* piece, const LogValue* v
    ) noexcept
    cdef char* put_end(self, char* begin, char* at) noexcept
    cdef char* put_value(self, char* at, const LogValue* v) noexcept
    cdef char* put_query(self, char* at, Span query) noexcept
    cdef char* put_target(self, char* at, const LogValue* v) noexcept
    cdef bint is_shown(self, Span name) noexcept
