"""The worker's wiring: which parts there are and who knows whom. Nothing else stands here.

    Listener -> H1Server -> H1Downstream -> LiveExchange -> HttpTarget -> H1Attempt
                                              Snapshot      Endpoint -> IdlePool -> H1Connection
"""

import os
from fastgw.ext.base.buffers cimport BufferPool
from fastgw.ext.downstream.h1 cimport H1Server
from fastgw.ext.exchange.exchange cimport Dispatcher
from fastgw.ext.io.connection_limit cimport ConnectionLimit
from fastgw.ext.io.engine cimport Engine
from fastgw.ext.io.listener cimport Listener
from fastgw.ext.record.access_log cimport AccessLog
from fastgw.ext.record.counters cimport Counters
from fastgw.ext.policy.build import KINDS
from fastgw.ext.route.load import load_plan
from fastgw.ext.target.http import HttpTarget
from fastgw.ext.target.none import NoneTarget


#: The kernel gives up on bytes that nobody acknowledges, past the default `idle` of 60 s.
USER_TIMEOUT_MS = 90_000


def builders() -> dict:
    """What makes the objects of a plan, by kind."""
    made = dict(KINDS)
    made["http"] = HttpTarget
    made["none"] = NoneTarget
    return made


cdef class Worker:
    """The data plane of one process; see worker.pyi."""
    cdef object loop
    cdef object log
    cdef Engine engine
    cdef Dispatcher dispatcher
    cdef Counters record
    cdef AccessLog lines              # or None
    cdef H1Server server
    cdef ConnectionLimit limit
    cdef list listeners

    def __init__(
        self, loop, plan, *, size_t memory, int max_connections, log, access_log="",
    ) -> None:
        self.loop = loop
        self.log = log
        self.engine = Engine(BufferPool(memory))
        self.lines = self.open_access_log(access_log)
        self.record = Counters(self.lines)
        self.dispatcher = Dispatcher(self.engine, load_plan(plan, builders()), self.record)
        self.dispatcher.log = log
        self.server = H1Server(self.dispatcher)
        self.limit = ConnectionLimit(max_connections)
        self.listeners = []
        self.engine.attach(loop)

    def open_access_log(self, path: str) -> AccessLog | None:
        """The access log at `path`; empty: none. A pipe whose reader stalls must not block."""
        if not path:
            return None
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
        return AccessLog(self.engine, os.open(path, flags, 0o640))

    def listen(self, index: int, fd: int) -> None:
        """Accept from a bound, listening, non-blocking socket of listener `index`; the
        descriptor is the data plane's from here on."""
        self.listeners.append(Listener(
            self.engine, fd, self.server, self.limit, index=index,
            user_timeout_ms=USER_TIMEOUT_MS, log=self.listener_says,
        ))

    def listener_says(self, event: str, details: object) -> None:
        """A listener stopped accepting, or could not."""
        self.log("warning", f"listener: {event} {details}")

    def drain(self, done) -> None:
        """Stop accepting, let what is under way end, then call `done()`."""
        self.close_listeners()
        self.engine.enter()
        self.server.drain(done)
        self.engine.leave()

    def close_listeners(self) -> None:
        """Stop accepting for good."""
        cdef Listener listener
        for listener in self.listeners:
            listener.close()
        self.listeners.clear()

    def stop(self) -> None:
        """End at once: connections are closed, nothing is finished."""
        self.close_listeners()
        self.engine.enter()
        self.server.abort()
        for target in self.dispatcher.snapshot.target_list:
            if isinstance(target, HttpTarget):
                target.trim()
        self.engine.leave()
        if self.lines is not None:
            self.lines.flush()
        self.engine.detach(self.loop)

    def counters(self) -> dict[str, int]:
        """What was counted since the start, and how many are there now."""
        idle = busy = 0
        for target in self.dispatcher.snapshot.target_list:
            if isinstance(target, HttpTarget):
                waiting, working = target.connections()
                idle += waiting
                busy += working
        return self.record.snapshot() | {
            "upstream_idle": idle,
            "upstream_busy": busy,
            "connections": self.limit.current,
            "connections_accepted": self.server.accepted,
            "connections_timed_out": self.server.timeouts,
            "exchanges_live": self.dispatcher.live,
            "tunnels_live": self.dispatcher.tunnels,
            "tunnels_opened": self.dispatcher.tunnels_opened,
            "buffer_bytes": self.engine.pool.in_use,
            "buffers_refused": self.engine.pool.refused,
            "sends": self.engine.sends,
        }
