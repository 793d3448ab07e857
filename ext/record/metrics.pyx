"""Metrics of exchanges and attempts; see metrics.pxd."""

cimport cython
from cpython.mem cimport PyMem_Calloc
from libc.stdint cimport int64_t, uint32_t
from fastgw.ext.base.reasons cimport REASON_NONE, REASONS, SIDE_UPSTREAM, reason_row
from fastgw.ext.base.span cimport span_bytes
from fastgw.ext.exchange.contract cimport Target
from fastgw.ext.record.catalogue import NOWHERE, kind_named
from fastgw.ext.record.metric_cells cimport (
    BUCKETS, CROSSING_ENDPOINT_REASON, CROSSING_ROUTE_REASON, ENDPOINT_ATTEMPTS,
    ENDPOINT_FAILURES, ENDPOINT_OPEN_ATTEMPTS, ROUTE_REQUESTS, ROUTE_REQUEST_BODY_BYTES,
    ROUTE_REQUEST_DURATION_SECONDS, ROUTE_RESPONSE_BODY_BYTES, ROUTE_RETRIES, ROW_ENDPOINT,
    ROW_ROUTE, ROW_UPSTREAM, UPSTREAM_REQUESTS, UPSTREAM_RESPONSE_HEAD_SECONDS,
)
from fastgw.ext.record.rows cimport LABEL_BREAK, observe
from fastgw.ext.route.snapshot cimport Snapshot, plan_text
from fastgw.ext.upstream.servers cimport Server

#: Upper ends of the buckets of durations, in microseconds.
cdef int64_t _ends[BUCKETS]
_ends = [m for m in kind_named("route").metrics if m.buckets][0].buckets


@cython.final
cdef class Metrics(Recorder):
    """See metrics.pxd."""

    def __init__(self, Rows rows not None, Recorder following=None) -> None:
        assert REASONS <= 128
        self.rows = rows
        self.following = following
        self.endpoints = {}
        self.nowhere = rows.row(ROW_ROUTE, NOWHERE)

    # -- a snapshot's rows -----------------------------------------------------------------

    def bind(self, Snapshot snapshot not None, uint32_t first=0, uint32_t count=0xFFFFFFFF) -> int:
        """See metrics.pyi."""
        cdef uint32_t i
        cdef uint32_t end = snapshot.route_count
        if snapshot.cells == NULL:
            snapshot.cells = <uint64_t**>PyMem_Calloc(end + 1, sizeof(uint64_t*))
            if snapshot.cells == NULL:
                raise MemoryError
        if end - first > count:
            end = first + count
        for i in range(first, end):
            name = span_bytes(plan_text(snapshot, snapshot.routes[i].name))
            snapshot.cells[i] = self.rows.row(ROW_ROUTE, name)
        if end < snapshot.route_count:
            return end
        for i in range(snapshot.target_count):
            self.bind_target(<Target>snapshot.targets[i])
        return 0

    def bind_target(self, Target target not None) -> None:
        """A target's row, and those of its servers if it has any."""
        cdef Server server
        cdef bytes name = (target.name or "").encode()
        target.cells = self.rows.row(ROW_UPSTREAM, name)
        for server in getattr(target, "servers", ()):
            server.count_in(self.endpoint(name + bytes((LABEL_BREAK,)) + server.url()))

    def endpoint(self, bytes name) -> EndpointTally:
        """The tally of an endpoint, whose row may be another than in an earlier generation."""
        cdef EndpointTally tally = self.endpoints.get(name)
        cdef uint64_t* cells = self.rows.row(ROW_ENDPOINT, name)
        if tally is None or tally.cells != cells:
            tally = self.endpoints[name] = EndpointTally()
            tally.rows = self.rows
            tally.cells = cells
        return tally

    def totals(self) -> dict[str, int]:
        """What this process has counted; what is 0 is left out."""
        named = {f"responses_{i}xx": self.statuses[i] for i in range(1, 6)}
        named["responses_none"] = self.statuses[0]
        for i in range(1, REASONS):
            named["reason_" + reason_row(i).name.decode()] = self.reasons[i]
        return {name: n for name, n in named.items() if n}

    # -- an exchange's end -----------------------------------------------------------------

    cdef void record(self, Exchange x) noexcept:
        """Count an exchange that ended."""
        cdef uint64_t* cells = x.cells if x.cells != NULL else self.nowhere
        cdef int status_class = x.response.status // 100
        if status_class > 5:
            status_class = 0
        self.statuses[status_class] += 1
        cells[ROUTE_REQUESTS + status_class] += 1
        observe(cells + ROUTE_REQUEST_DURATION_SECONDS, _ends, x.times.end - x.times.begin)
        cells[ROUTE_REQUEST_BODY_BYTES] += x.request_bytes
        cells[ROUTE_RESPONSE_BODY_BYTES] += x.response_bytes
        if x.tries:
            cells[ROUTE_RETRIES] += x.tries - 1
            self.count_upstream(x, status_class)
        if x.reason != REASON_NONE:
            self.count_reason(cells, x.reason)
        if self.following is not None:
            self.following.record(x)

    cdef void count_upstream(self, Exchange x, int status_class) noexcept:
        """What the exchange's end says of its upstream."""
        cdef uint64_t* cells = x.target.cells if x.target is not None else NULL
        if cells == NULL:
            return
        cells[UPSTREAM_REQUESTS + status_class] += 1
        if x.times.response:
            observe(
                cells + UPSTREAM_RESPONSE_HEAD_SECONDS, _ends, x.times.response - x.times.attempt
            )

    cdef void count_reason(self, uint64_t* row, Reason why) noexcept:
        """Why it did not end as the upstream would have it."""
        cdef uint64_t* cell = self.rows.crossing(CROSSING_ROUTE_REASON, row, why)
        self.reasons[<int>why] += 1
        if cell != NULL:
            cell[0] += 1


@cython.final
cdef class EndpointTally(AttemptTally):
    """See metrics.pxd."""

    cdef void begun(self) noexcept:
        self.cells[ENDPOINT_ATTEMPTS] += 1
        self.cells[ENDPOINT_OPEN_ATTEMPTS] += 1

    cdef void ended(self, Reason why) noexcept:
        cdef uint64_t* cell
        self.cells[ENDPOINT_OPEN_ATTEMPTS] -= 1
        if why == REASON_NONE or reason_row(why).side != SIDE_UPSTREAM:
            return
        self.cells[ENDPOINT_FAILURES] += 1
        cell = self.rows.crossing(CROSSING_ENDPOINT_REASON, self.cells, why)
        if cell != NULL:
            cell[0] += 1
