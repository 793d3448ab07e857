"""The head of a response as HTTP/1.1 sends it to the client."""

from libc.stdint cimport uint8_t
from fastgw.ext.exchange.contract cimport Exchange
from fastgw.ext.http.head cimport ResponseHead
from fastgw.ext.io.stream cimport Stream


cdef enum WriteFraming:
    W_NOTHING                   # no body follows
    W_LENGTH                    # Content-Length bytes
    W_CHUNKED                   # chunked
    W_CLOSE                     # until the connection ends (HTTP/1.0 clients)
    W_TUNNEL                    # 101, opaque bytes follow


cdef WriteFraming choose_framing(Exchange x, bint last, bint old) noexcept
cdef bint write_response_head(
    Stream s, Exchange x, WriteFraming framing, bint persistent, bint old
) noexcept
cdef bint write_informational(Stream s, ResponseHead* head) noexcept
