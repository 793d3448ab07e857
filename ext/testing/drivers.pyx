"""Drivers for benchmarks of functions: compiled loops over given data.

Each `drive_` function calls one thing of the data plane `rounds` times for each of its inputs
and returns how many calls that were. Time them, or count their instructions (bench/check.py,
which knows them by this prefix): the interpreter's share is that of one call.
"""

from libc.stddef cimport size_t
from libc.string cimport memset
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.exchange.exchange cimport Dispatcher
from fastgw.ext.http.authority cimport AUTHORITY_OK, HOST_MAX, Authority, parse_authority
from fastgw.ext.http.chunked cimport (
    CHUNK_DATA, CHUNK_END, ChunkDecoder, ChunkEvent, chunked_begin, chunked_feed,
)
from fastgw.ext.http.head cimport Field, Fields, M_GET, ResponseHead
from fastgw.ext.http.response cimport parse_response
from fastgw.ext.http.uri cimport normalise_path
from fastgw.ext.io.engine cimport Engine
from fastgw.ext.record.access_log cimport AccessLog
from fastgw.ext.record.lines cimport LineWriter
from fastgw.ext.record.metrics cimport Metrics
from fastgw.ext.record.rows cimport LocalRows
from fastgw.ext.route.load cimport PlanSnapshot
from fastgw.ext.route.plan cimport Limits
from fastgw.ext.testing.cost import QuietTarget, request_ns
from fastgw.ext.testing.http_doors import time_requests
from fastgw.ext.testing.route_doors import match_ns

cdef enum:
    ROWS = 100
    TARGET = 8192


def drive_requests(list heads, int rounds) -> int:
    """Request heads, parsed."""
    time_requests(heads, rounds)
    return len(heads) * rounds


def drive_responses(list heads, int rounds) -> int:
    """Response heads, parsed; ValueError when one is refused."""
    cdef Field rows[ROWS]
    cdef ResponseHead found
    cdef Limits limits
    cdef bytes head
    cdef const char* p
    cdef size_t n, searched
    cdef int i
    memset(&limits, 0, sizeof(limits))
    limits.head, limits.fields = 32768, ROWS
    for head in heads:
        p, n = head, len(head)
        for i in range(rounds):  # no-cython-lint
            searched = 0
            if parse_response(p, n, &searched, &limits, rows, ROWS, M_GET, &found) <= 0:
                raise ValueError("a head is refused")
    return len(heads) * rounds


def drive_chunks(bytes body, int rounds) -> int:
    """A whole chunked body, decoded; the calls are counted in bodies."""
    cdef Field rows[ROWS]
    cdef Fields trailers
    cdef ChunkDecoder decoder
    cdef ChunkEvent event
    cdef Span data
    cdef const char* p = body
    cdef size_t n = len(body), at, used
    cdef int i
    trailers.rows, trailers.cap = rows, ROWS
    for i in range(rounds):  # no-cython-lint
        chunked_begin(&decoder, 32768, ROWS)
        at = 0
        event = CHUNK_DATA
        while event == CHUNK_DATA:
            event = chunked_feed(&decoder, p + at, n - at, &used, &data, &trailers)
            at += used
        if event != CHUNK_END:
            raise ValueError("a body that is not whole or not right")
    return rounds


def drive_paths(list paths, int rounds) -> int:
    """The path rule."""
    cdef char out[TARGET]
    cdef bytes path
    cdef Span given
    cdef int i
    for path in paths:
        given = span(path, len(path))
        for i in range(rounds):  # no-cython-lint
            if normalise_path(given, out).path.n == 0:
                raise ValueError("a path came out empty")
    return len(paths) * rounds


def drive_authorities(list texts, int rounds) -> int:
    """Authorities, parsed."""
    cdef char scratch[HOST_MAX]
    cdef Authority found
    cdef bytes text
    cdef Span given
    cdef int i
    for text in texts:
        given = span(text, len(text))
        for i in range(rounds):  # no-cython-lint
            if parse_authority(given, scratch, HOST_MAX, &found) != AUTHORITY_OK:
                raise ValueError("an authority is refused")
    return len(texts) * rounds


def drive_routes(PlanSnapshot snapshot not None, list requests, int rounds) -> int:
    """Requests (host, path, method id), matched."""
    match_ns(snapshot, requests, rounds)
    return len(requests) * rounds


def drive_exchanges(Dispatcher dispatcher not None, int rounds) -> int:
    """Exchanges from head to end, between a client and a target that do nothing."""
    request_ns(dispatcher, rounds)
    return rounds


def drive_header_edits(Dispatcher dispatcher not None, int rounds) -> int:
    """The same under another name, so that it is counted apart."""
    request_ns(dispatcher, rounds)
    return rounds


def drive_metrics(Dispatcher dispatcher not None, int rounds) -> int:
    """The same, with metrics."""
    request_ns(dispatcher, rounds)
    return rounds


def drive_access_log(Dispatcher dispatcher not None, int rounds) -> int:
    """The same, with an access log."""
    request_ns(dispatcher, rounds)
    return rounds


def quiet_target(name, options):
    """Builder of a target for `drive_exchanges`."""
    return QuietTarget()


def dispatcher(PlanSnapshot snapshot not None, *, bint metrics=False, int log_fd=-1):
    """A dispatcher without sockets; the access log goes to a descriptor, which it closes."""
    cdef Engine engine = Engine()
    recorder = None
    if log_fd >= 0:
        recorder = AccessLog(LineWriter(engine, log_fd), {})
    if metrics:
        counting = Metrics(LocalRows(), recorder)
        counting.bind(snapshot)
        recorder = counting
    return Dispatcher(engine, snapshot, recorder)
