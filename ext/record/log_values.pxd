"""What a log line can say of an exchange: one field, one value, no text yet.

The fields are those of `FIELDS` (log_options.py), in its order; a test compares the two.
A value that does not exist is V_ABSENT: a JSON line leaves it out, a text line has `-`.
"""

from libc.stdint cimport int16_t, int64_t, uint8_t, uint16_t
from libc.stddef cimport size_t
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.exchange.shared cimport Shared
from fastgw.ext.io.stream cimport Facts


cdef enum LogField:
    L_TIME                      # RFC 3339, milliseconds, UTC
    L_TIME_CLF                  # as the common log format has it
    L_TIME_S                    # seconds since the epoch
    L_REQUEST_ID
    L_CLIENT                    # address by the listener's rules
    L_CLIENT_PORT
    L_PEER                      # address of the socket
    L_METHOD
    L_SCHEME
    L_HOST
    L_PATH                      # normalised
    L_QUERY                     # values redacted unless shown
    L_TARGET                    # path and query
    L_PROTOCOL                  # HTTP/1.1
    L_STATUS                    # sent to the client; 0 = no answer was begun
    L_REASON
    L_DECIDED_BY
    L_WAITING_ON
    L_ROUTE
    L_UPSTREAM                  # name of the target
    L_ENDPOINT                  # URL of the last attempt's endpoint
    L_TRIES
    L_REQUEST_BYTES             # of body, as received
    L_RESPONSE_BYTES            # of body, as sent
    L_CONNECT_MS                # last attempt opened -> its connection ready
    L_HEAD_MS                   # last attempt opened -> response head accepted
    L_TOTAL_MS                  # first byte of the head -> the end
    L_HEADER                    # first value of a request header
    L_RESPONSE_HEADER           # first value of a response header
    L_TLS                       # something of the client's TLS connection, a TlsText
    LOG_FIELDS


cdef enum ValueKind:
    V_ABSENT
    V_TEXT                      # `text`, to be escaped; empty: "" in JSON, `-` in a text line
    V_QUERY                     # `text` is a query, whose values may have to be redacted
    V_TARGET                    # `text` is a path, `more` a query with p == NULL for none
    V_REDACTED                  # there is something that the log does not show
    V_NUMBER                    # `number`
    V_US                        # `number` in microseconds, shown as milliseconds
    V_ISO, V_CLF, V_SECONDS     # `number` is a time in milliseconds since the epoch


cdef struct LogValue:
    ValueKind kind
    Span text
    Span more
    int64_t number


# A field to look up.
cdef struct LogPiece:
    Span before                 # text before the value; in JSON with its comma and name
    int16_t field               # LogField; -1 = nothing but the text
    uint8_t shown               # not redacted
    uint16_t id                 # of a header: NameId; of TLS: TlsText
    Span name                   # of a header: its name in lower case; of TLS: what of it


cdef inline void some_text(LogValue* v, const char* p, size_t n) noexcept:
    """A text that may be missing."""
    if n:
        v.kind = V_TEXT
        v.text = span(p, n)


cdef inline void always_text(LogValue* v, const char* p, size_t n) noexcept:
    """A text that may be empty, so that every line has it."""
    v.kind = V_TEXT
    v.text = span(p, n)


cdef inline void set_number(LogValue* v, ValueKind kind, int64_t number) noexcept:
    """A number, or a time."""
    v.kind = kind
    v.number = number


cdef void find_time(LogValue* v, int field, Shared shared) noexcept
cdef void find_client(LogValue* v, int field, const Facts* facts) noexcept
cdef void find_value(LogValue* v, const LogPiece* piece, Exchange x) noexcept
