"""Conn: one connection of a load, and the requests that are under way on it."""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t
from fastgw.ext.load.answer cimport Answer
from fastgw.ext.load.openssl cimport SSL

cdef enum:
    ROOM = 16384                # bytes of an answer's head, or of a WebSocket frame
    MOST_DEPTH = 64             # requests in flight on one connection

cdef enum ConnState:
    C_CLOSED
    C_CONNECTING
    C_SHAKING                   # TLS handshake
    C_UPGRADING                 # WebSocket handshake
    C_OPEN
    C_ENDING                    # the last answer is here; waiting for the peer's end


cdef struct Flight:
    int64_t due                 # when the request was meant to be sent, ns
    int64_t sent                # when its sending began, ns
    uint32_t step               # of the script


cdef struct Conn:
    int fd                      # -1: closed
    uint8_t state               # ConnState
    SSL* ssl                    # or NULL
    int64_t since               # ns: the last change of `state`
    Flight* ring                # `depth` of them
    uint32_t first              # oldest flight
    uint32_t count              # flights
    uint32_t unsent             # of them, those whose last byte has not gone out: the newest
    size_t offset               # bytes of the first unsent one that have
    Answer answer               # to the oldest flight
    size_t have                 # bytes in `left_over`
    char* left_over             # what was received and could not be read alone; ROOM bytes
    bint is_free                # in the list of those that can take a request
    Conn* before
    Conn* after
