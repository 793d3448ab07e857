"""Sampler; see sampler.pxd."""

import gc
from time import perf_counter
from libc.stdint cimport int64_t
from fastgw.ext.record.catalogue import kind_named
from fastgw.ext.record.metric_cells cimport (
    BUCKETS, ENDPOINT_BUSY_CONNECTIONS, ENDPOINT_IDLE_CONNECTIONS, ROW_WORKER,
    WORKER_BUFFERS_REFUSED, WORKER_BUFFER_BYTES, WORKER_COLLECTOR_PAUSE_SECONDS,
    WORKER_CONNECTIONS, WORKER_CONNECTIONS_ACCEPTED, WORKER_CONNECTIONS_TIMED_OUT,
    WORKER_EXCHANGES, WORKER_GENERATION, WORKER_LOG_LINES, WORKER_LOG_LINES_DROPPED,
    WORKER_LOOP_LAG_SECONDS, WORKER_RECEIVES, WORKER_SENDS, WORKER_TUNNELS,
    WORKER_WAKEUPS,
)
from fastgw.ext.downstream.h1_ends cimport H1Ends
from fastgw.ext.record.metrics cimport EndpointTally
from fastgw.ext.record.rows cimport observe
from fastgw.ext.upstream.contract cimport Endpoint
from fastgw.ext.upstream.servers cimport Server

#: Seconds between two samples.
EVERY_S = 1.0
#: Upper ends of the buckets of pauses, in microseconds.
cdef int64_t _ends[BUCKETS]
_ends = [m for m in kind_named("worker").metrics if m.buckets][0].buckets


cdef class Sampler:
    """See sampler.pyi."""

    def __init__(
        self, Rows rows not None, slot, Dispatcher dispatcher not None, H1Connections server,
        ConnectionLimit limit, LineSink lines, list doors,
    ) -> None:
        self.rows = rows
        self.cells = rows.row(ROW_WORKER, b"%d" % slot)
        self.engine = dispatcher.engine
        self.dispatcher = dispatcher
        self.server, self.limit, self.lines, self.doors = server, limit, lines, doors
        self.servers = []

    def start(self, loop) -> None:
        """See sampler.pyi."""
        self.loop = loop
        gc.callbacks.append(self.collector)
        self.due_s = loop.time() + EVERY_S
        self.timer = loop.call_at(self.due_s, self.tick)

    def stop(self) -> None:
        """See sampler.pyi."""
        if self.loop is not None:
            self.loop = None
            self.timer.cancel()
            gc.callbacks.remove(self.collector)
        self.sample()

    def tick(self) -> None:
        """A second is over: by how much more, and what there is now."""
        now_s = self.loop.time()
        observe(
            self.cells + WORKER_LOOP_LAG_SECONDS, _ends, <int64_t>((now_s - self.due_s) * 1e6)
        )
        self.sample()
        self.dispatcher.follow_clock()
        self.due_s = now_s + EVERY_S
        self.timer = self.loop.call_at(self.due_s, self.tick)

    def collector(self, str phase, info) -> None:
        """The collector begins, or has ended."""
        if phase == "start":
            self.collecting_s = perf_counter()
        elif self.collecting_s:
            observe(
                self.cells + WORKER_COLLECTOR_PAUSE_SECONDS, _ends,
                <int64_t>((perf_counter() - self.collecting_s) * 1e6),
            )
            self.collecting_s = 0

    def sample(self) -> None:
        """See sampler.pyi."""
        self.copy_worker()
        self.copy_endpoints()
        self.copy_bytes()

    cdef void copy_worker(self) noexcept:
        cdef uint64_t* to = self.cells
        to[WORKER_CONNECTIONS] = self.limit.current
        to[WORKER_CONNECTIONS_ACCEPTED] = self.server.accepted
        to[WORKER_CONNECTIONS_TIMED_OUT] = self.server.timeouts
        to[WORKER_EXCHANGES] = self.dispatcher.live
        to[WORKER_TUNNELS] = self.dispatcher.tunnels
        to[WORKER_BUFFER_BYTES] = self.engine.pool.in_use
        to[WORKER_BUFFERS_REFUSED] = self.engine.pool.refused
        to[WORKER_SENDS] = self.engine.sends
        to[WORKER_RECEIVES] = self.engine.receives
        to[WORKER_WAKEUPS] = self.engine.wakeups
        to[WORKER_GENERATION] = self.dispatcher.snapshot.number
        if self.lines is not None:
            to[WORKER_LOG_LINES] = self.lines.lines
            to[WORKER_LOG_LINES_DROPPED] = self.lines.dropped

    cdef void copy_bytes(self):
        """Of connections that are open; those that end are counted then."""
        cdef H1Ends d
        for d in self.server.connections:
            if d.stream is not None and d.stream.tally is not None:
                d.stream.tally.count(d.stream)
        for door in self.doors:
            door.count_bytes()

    cdef void copy_endpoints(self):
        """Of the running snapshot; those of the one before are none of ours any more."""
        cdef Server server
        cdef Endpoint e
        cdef uint64_t* to
        if self.dispatcher.snapshot is not self.sampled:
            _clear_pools(self.servers)
            self.sampled = self.dispatcher.snapshot
            self.servers = servers_of(self.sampled)
        _clear_pools(self.servers)
        # Addresses of one URL share its row.
        for server in self.servers:
            to = (<EndpointTally>server.tally).cells
            for e in server.endpoints:
                to[ENDPOINT_IDLE_CONNECTIONS] += e.pool.idle
                to[ENDPOINT_BUSY_CONNECTIONS] += e.pool.busy


cdef int _clear_pools(list servers) except -1:
    """No connections in the servers' rows."""
    cdef Server server
    cdef uint64_t* to
    for server in servers:
        to = (<EndpointTally>server.tally).cells
        to[ENDPOINT_IDLE_CONNECTIONS] = to[ENDPOINT_BUSY_CONNECTIONS] = 0
    return 0


cdef list servers_of(Snapshot snapshot):
    """Every server that is counted."""
    cdef Server server
    found = []
    for i in range(snapshot.target_count):
        target = <object>snapshot.targets[i]
        for server in getattr(target, "servers", ()):
            if isinstance(server.tally, EndpointTally):
                found.append(server)
    return found
