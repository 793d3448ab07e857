"""The worker's wiring: which parts there are and who knows whom. Nothing else stands here.

    Listener [-> Doorway] [-> TlsAcceptor] -> H1Server -> H1Downstream -> LiveExchange -> HttpTarget -> H1Attempt
                                              Snapshot      Endpoint -> IdlePool -> H1Connection
"""

from functools import partial
import os
from fastgw.ext.base.buffers cimport BufferPool
from fastgw.ext.downstream.h1 cimport H1Server
from fastgw.ext.exchange.exchange cimport Dispatcher
from fastgw.ext.io.connection_limit cimport ConnectionLimit
from fastgw.ext.io.engine cimport Engine
from fastgw.ext.io.doorway import Doorway, make_doorway
from fastgw.ext.io.listener cimport Acceptor, Listener
from fastgw.ext.io.relay cimport PipeRelays
from fastgw.ext.io.tls.acceptor cimport TlsAcceptor
from fastgw.ext.io.tls.server import TlsServer
from fastgw.ext.record.access_log cimport AccessLog
from fastgw.ext.record.lines cimport LineWriter
from fastgw.ext.record.metrics cimport Metrics
from fastgw.ext.record.ring cimport RingWriter
from fastgw.ext.record.rows cimport LocalRows
from fastgw.ext.record.sampler cimport Sampler
from fastgw.ext.policy.build import KINDS
from fastgw.ext.policy.error_pages import ErrorPages
from fastgw.ext.policy.path_rewriter import PathRewriter
from fastgw.ext.route.load import load_plan
from fastgw.ext.target.http import HttpTarget
from fastgw.ext.target.none import NoneTarget
from fastgw.ext.target.split import SplitTarget


#: The kernel gives up on bytes that nobody acknowledges, past the default `idle` of 60 s.
USER_TIMEOUT_MS = 90_000


def builders(files: object, log: object) -> dict:
    """What makes the objects of a plan, by kind."""
    made = dict(KINDS)
    made["http"] = partial(HttpTarget, files=files, log=log)
    made["none"] = NoneTarget
    made["split"] = SplitTarget
    made["error_pages"] = ErrorPages
    made["rewrite"] = PathRewriter
    return made


cdef class Worker:
    """The data plane of one process; see worker.pyi."""
    cdef object loop
    cdef object log
    cdef Engine engine
    cdef Dispatcher dispatcher
    cdef Metrics record
    cdef Sampler sampler
    cdef AccessLog lines              # or None
    cdef H1Server server
    cdef ConnectionLimit limit
    cdef object tls                   # TlsMaterial, or None
    cdef list listeners
    cdef list tls_acceptors
    cdef dict doors                   # a listener's index -> Doorway or None

    def __init__(
        self, loop, plan, *, size_t memory, int max_connections, log, access_log="",
        log_options=None, int log_ring=-1, int doorbell=-1, rows=None, int slot=0,
        tls=None,
    ) -> None:
        self.loop = loop
        self.log = log
        self.tls = tls
        self.engine = Engine(BufferPool(memory))
        made = builders(tls.files if tls is not None else {}, log)
        self.lines = self.open_access_log(access_log, log_ring, doorbell, log_options or {})
        self.record = Metrics(rows or LocalRows(), self.lines)
        self.dispatcher = Dispatcher(self.engine, load_plan(plan, made), self.record)
        self.record.bind(self.dispatcher.snapshot)
        self.dispatcher.log = log
        self.server = H1Server(self.dispatcher)
        self.limit = ConnectionLimit(max_connections)
        self.server.learns = any(
            getattr(target, "send_proxy", 0) for target in self.dispatcher.snapshot.target_list
        )
        self.listeners, self.tls_acceptors, self.doors = [], [], {}
        PipeRelays().serve(self.engine)
        self.engine.attach(loop)
        self.sampler = Sampler(
            self.record.rows, slot, self.dispatcher, self.server, self.limit,
            None if self.lines is None else self.lines.sink,
        )
        self.sampler.start(loop)

    def open_access_log(self, path: str, ring, doorbell, options) -> AccessLog | None:
        """The access log into a ring, or straight to `path`; neither: none. A pipe whose reader
        stalls must not block."""
        if ring >= 0:
            return AccessLog(RingWriter(ring, doorbell), options)
        if not path:
            return None
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
        return AccessLog(LineWriter(self.engine, os.open(path, flags, 0o640)), options)

    def listen(self, index: int, fd: int) -> None:
        """Accept from a bound, listening, non-blocking socket of listener `index`; the
        descriptor is the data plane's from here on."""
        self.listeners.append(Listener(
            self.engine, fd, self.acceptor(index), self.limit, index=index,
            user_timeout_ms=USER_TIMEOUT_MS, log=self.listener_says, door=self.door(index),
        ))

    def acceptor(self, index: int) -> Acceptor:
        """What takes the connections of a listener: TLS before the rest, where it has that."""
        cdef Acceptor behind = self.server
        options = self.dispatcher.snapshot.listener_options(index).get("tls")
        if options is None:
            return behind
        server = TlsServer(options, self.tls.files, self.tls.tickets)
        self.tls_acceptors.append(TlsAcceptor(behind, server, self.listener_says))
        return self.tls_acceptors[len(self.tls_acceptors) - 1]

    def door(self, index: int) -> Doorway | None:
        """What a listener asks of its connections first; all its sockets have the same one."""
        if index not in self.doors:
            options = self.dispatcher.snapshot.listener_options(index)
            self.doors[index] = make_doorway(options, self.dispatcher.snapshot.trusted)
        return self.doors[index]

    def listener_says(self, event: str, details: object) -> None:
        """A listener stopped accepting, or could not."""
        self.log("warning", f"listener: {event} {details}")

    def drain(self, done) -> None:
        """Stop accepting, let what is under way end, then call `done()`."""
        self.close_listeners()
        self.engine.enter()
        self.end_handshakes()
        self.server.drain(self.and_sample(done))
        self.engine.leave()

    def and_sample(self, done):
        """`done`, after what is counted once a second was counted for the last time."""

        def last() -> None:
            self.sampler.sample()
            done()

        return last

    def sample(self) -> None:
        """Count now what is counted once a second."""
        self.sampler.sample()

    def close_listeners(self) -> None:
        """Stop accepting for good."""
        cdef Listener listener
        for listener in self.listeners:
            listener.close()
        self.listeners.clear()

    def end_handshakes(self) -> None:
        """Close connections that are not open yet; called within a turn."""
        for acceptor in self.tls_acceptors:
            acceptor.abort()
        for door in self.doors.values():
            if door is not None:
                door.abort()

    def stop(self) -> None:
        """End at once: connections are closed, nothing is finished."""
        self.close_listeners()
        self.engine.enter()
        self.end_handshakes()
        self.server.abort()
        for door in self.doors.values():
            if door is not None:
                door.abort_passes()
        for target in self.dispatcher.snapshot.target_list:
            if isinstance(target, HttpTarget):
                target.trim()
        self.engine.leave()
        if self.lines is not None:
            self.lines.flush()
        self.sampler.stop()
        self.engine.detach(self.loop)

    def door_counters(self) -> dict[str, int]:
        """What the listeners' doors counted, those that are not zero."""
        found: dict[str, int] = {}
        for door in self.doors.values():
            for name, value in (door.counters() if door is not None else {}).items():
                if value:
                    found[name] = found.get(name, 0) + value
        return found

    def counters(self) -> dict[str, int]:
        """What was counted since the start, and how many are there now."""
        idle = busy = 0
        for target in self.dispatcher.snapshot.target_list:
            if isinstance(target, HttpTarget):
                waiting, working = target.connections()
                idle += waiting
                busy += working
        return self.record.totals() | self.door_counters() | {
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
