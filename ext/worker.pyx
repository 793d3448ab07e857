"""The worker's wiring: which parts there are and who knows whom. Nothing else stands here.

    Listener [-> Doorway] [-> TlsAcceptor] -> H1Server -> H1Downstream -> LiveExchange
    LiveExchange -> Snapshot, HttpTarget -> H1Attempt -> Endpoint -> IdlePool -> H1Connection
"""

from functools import partial
import os
from fastgw.ext.base.buffers cimport BufferPool
from fastgw.ext.base.reasons cimport REASON_DRAINING
from fastgw.ext.downstream.h1 cimport H1Downstream, H1Server
from fastgw.ext.downstream.h1_ends cimport R_TUNNEL
from fastgw.ext.exchange.exchange cimport Dispatcher
from fastgw.ext.io.connection_limit cimport ConnectionLimit
from fastgw.ext.io.engine cimport Engine
from fastgw.ext.io.doorway import Doorway, door_options
from fastgw.ext.io.listener cimport Listener
from fastgw.ext.io.relay cimport PipeRelays
from fastgw.ext.io.tls.listeners cimport TlsListeners
from fastgw.ext.record.access_log cimport AccessLog
from fastgw.ext.record.listener_tally cimport ListenerTallies, ListenerTally
from fastgw.ext.record.lines cimport LineSink, LineWriter
from fastgw.ext.record.connection_list import list_connections
from fastgw.ext.record.metrics cimport Metrics
from fastgw.ext.record.pass_log cimport PassLog
from fastgw.ext.record.ring cimport RingWriter
from fastgw.ext.record.rows cimport LocalRows, SharedRows
from fastgw.ext.record.sampler cimport Sampler
from fastgw.ext.policy.acme import AcmePolicy
from fastgw.ext.policy.build import KINDS
from fastgw.ext.policy.error_pages import ErrorPages
from fastgw.ext.policy.path_rewriter import PathRewriter
from fastgw.ext.route.load import load_plan, load_slices
from fastgw.ext.route.snapshot cimport Snapshot
from fastgw.ext.shm.statistics cimport Column
from fastgw.ext.target.http import HttpTarget
from fastgw.ext.target.none import NoneTarget
from fastgw.ext.target.split import SplitTarget
from fastgw.ext.upstream.pool cimport IdleRoom


#: The kernel gives up on bytes that nobody acknowledges, past the default `idle` of 60 s.
USER_TIMEOUT_MS = 90_000
#: The row of a listener that the plan does not know any more.
NO_LISTENER = 0xFFFF
#: Routes that are given their rows in one go, between two slices of building.
BIND_AT_ONCE = 200
#: How long its handshakes may take that had begun.
HANDSHAKES_S = 5.0


def builders(files: object, log: object, room: IdleRoom) -> dict:
    """What makes the objects of a plan, by kind."""
    made = dict(KINDS)
    made["http"] = partial(HttpTarget, room=room, files=files, log=log)
    made["none"] = NoneTarget
    made["split"] = SplitTarget
    made["error_pages"] = ErrorPages
    made["rewrite"] = PathRewriter
    made["acme_challenge"] = AcmePolicy
    return made


def open_sink(Engine engine, born) -> LineSink | None:
    """Where lines of the access log go: a file, a ring, or nowhere. A pipe whose reader stalls
    must not block."""
    if born.log_file:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
        return LineWriter(engine, os.open(born.log_file, flags, 0o640))
    return RingWriter(born.log_ring, born.doorbell) if born.log_ring >= 0 else None


def readdress(snapshot, names: dict) -> None:
    """Have the targets of a snapshot know the addresses of some host names."""
    if names:
        for target in snapshot.target_list:
            if isinstance(target, HttpTarget) and not target.hosts.isdisjoint(names):
                target.readdress(names)


def add_up(total: dict, more: dict) -> None:
    """Add counters to others, those that are not zero."""
    for name, value in more.items():
        if value:
            total[name] = total.get(name, 0) + value


cdef class Worker:
    """The data plane of one process; see worker.pyi."""
    cdef object loop
    cdef object log
    cdef Engine engine
    cdef Dispatcher dispatcher
    cdef Metrics record
    cdef ListenerTallies tallies      # of the listeners; None: nothing is counted
    cdef Sampler sampler
    cdef LineSink sink                # where lines of the access log go, or None
    cdef AccessLog lines              # the running plan's, or None
    cdef PassLog pass_log             # the same for connections without requests
    cdef H1Server server
    cdef ConnectionLimit limit
    cdef IdleRoom room                # for idle connections to upstreams
    cdef list listeners
    cdef TlsListeners tls
    cdef list doors                   # Doorways, also earlier ones that somebody stands in
    cdef dict doors_counted           # by those that are gone
    cdef Column column                # this process's statistics, or None
    cdef bint counting                # requests are counted
    cdef dict names                   # addresses of host names, as told last
    cdef object addresses             # AddressCounts of the node, or None
    cdef Snapshot prepared            # of the next generation, or None
    cdef AccessLog prepared_lines     # its access log, or None

    def __init__(self, loop, plan, born, tls=None) -> None:
        self.loop = loop
        self.log = born.log
        self.engine = Engine(BufferPool(born.memory))
        self.column = born.column
        self.addresses = born.addresses
        self.counting = born.counting
        self.names = dict(born.names)
        self.listeners, self.doors, self.doors_counted = [], [], {}
        rows = born.rows
        if rows is None:
            rows = LocalRows() if self.column is None else SharedRows(self.column)
        self.record = Metrics(rows)
        self.tallies = ListenerTallies(rows) if born.counting else None
        self.sink = open_sink(self.engine, born)
        self.room = IdleRoom(born.idle_upstreams)
        made = builders(tls.files if tls is not None else {}, self.log, self.room)
        self.dispatcher = Dispatcher(self.engine, load_plan(plan, made), self.record)
        if self.counting:
            self.record.bind(self.dispatcher.snapshot)
        self.dispatcher.log = self.log
        self.take_lines(self.lines_of(self.dispatcher.snapshot))
        readdress(self.dispatcher.snapshot, self.names)
        self.server = H1Server(self.dispatcher)
        self.limit = ConnectionLimit(born.max_connections)
        self.tls = TlsListeners(self.server, self.listener_says)
        for _ in self.tls.prepare(self.dispatcher.snapshot.tls_options(), tls):
            pass
        self.tls.switch({})
        self.server.learns = self.announces()
        PipeRelays().serve(self.engine)
        self.engine.attach(loop)
        self.dispatcher.column = self.column
        if self.column is not None:
            self.engine.beat_in(&self.column.entry.beat_ms, self.column)
            self.column.set_generation(self.dispatcher.snapshot.number)
        self.sampler = Sampler(
            rows, born.slot, self.dispatcher, self.server, self.limit, self.sink, self.doors,
        )
        self.sampler.start(loop)

    # -- the access log -----------------------------------------------------------------------

    def lines_of(self, snapshot) -> AccessLog | None:
        """The access log that a plan wants; None: none. What is wrong with it raises."""
        said = snapshot.node.get("access_log")
        if self.sink is None or (said is None and isinstance(self.sink, RingWriter)):
            return None
        return AccessLog(self.sink, said["line"] if said is not None else {})

    def take_lines(self, AccessLog lines) -> None:
        """Write the lines of exchanges that end from now on by these options."""
        self.lines = self.record.following = lines
        self.dispatcher.recorder = self.record if self.counting else lines
        self.pass_log = None if lines is None else PassLog(lines, self.dispatcher)
        for door in self.doors:
            door.set_recorder(self.pass_log)

    def listen(self, index: int, fd: int, shared: bool = False) -> None:
        """Accept from a bound, listening, non-blocking socket of listener `index`; the
        descriptor is the data plane's from here on. `shared`: others accept from it, too."""
        listener = Listener(
            self.engine, fd, self.tls.of(index), self.limit, index=index, shared=shared,
            user_timeout_ms=USER_TIMEOUT_MS, log=self.listener_says, door=self.door(index),
            tally=self.tally(index),
        )
        listener.defer(self.tls.has(index))
        self.listeners.append(listener)

    def tally(self, index: int) -> ListenerTally | None:
        """Where the connections of a listener are counted; all its sockets have the same one."""
        if self.tallies is None:
            return None
        return self.tallies.of(self.dispatcher.snapshot.listener_name(index))

    def unlisten(self, fd: int) -> None:
        """Stop accepting from the socket that came as descriptor `fd`, and close it."""
        cdef Listener listener
        for listener in list(self.listeners):
            if listener.fd == fd:
                self.listeners.remove(listener)
                listener.close()

    # -- another generation -----------------------------------------------------------------

    def prepare(self, plan, tls=None):
        """Build the snapshot of another plan, a little at a time: an iterator. What the running
        one has under the same content hash is kept; a plan that can't be used raises. `tls`:
        the TlsMaterial that it needs."""
        self.prepared = None
        objects = builders(tls.files if tls is not None else {}, self.log, self.room)
        for made in load_slices(plan, objects, self.dispatcher.snapshot):  # no-cython-lint
            yield
        yield from self.bind(made)
        yield from self.tls.prepare(made.tls_options(), tls)
        self.prepared_lines = self.lines_of(made)
        readdress(made, self.names)
        self.prepared = made

    def bind(self, snapshot):
        """Give a snapshot's routes, upstreams and endpoints their rows, a little at a time."""
        at = 0
        if isinstance(self.record.rows, SharedRows):
            self.record.rows.refresh()
        while True:
            at = self.record.bind(snapshot, at, BIND_AT_ONCE)
            if not at:
                return
            yield

    def forget(self) -> None:
        """The prepared snapshot is not wanted any more."""
        self.prepared = self.prepared_lines = None
        self.tls.forget()

    def renew(self, tls, digests: list) -> None:
        """The files of these digests hold another content now, which `tls` has."""
        self.tls.renew(tls.files, digests)

    def switch(self, indexes: dict) -> None:
        """Serve from the prepared snapshot from now on; exchanges under way end with theirs.
        `indexes`: the rows that listeners of the old plan have in the new one."""
        cdef Snapshot old = self.dispatcher.snapshot
        if self.prepared is None:
            raise ValueError("nothing is prepared")
        self.engine.enter()
        self.dispatcher.snapshot, self.prepared = self.prepared, None
        self.take_lines(self.prepared_lines)
        self.prepared_lines = None
        self.tls.switch(indexes)
        self.move_listeners(indexes)
        self.renew_doors()
        kept = {id(target) for target in self.dispatcher.snapshot.target_list}
        for target in old.target_list:
            if id(target) not in kept and isinstance(target, HttpTarget):
                target.trim()
        self.engine.leave()
        if self.column is not None:
            self.column.set_generation(self.dispatcher.snapshot.number)

    def move_listeners(self, indexes: dict) -> None:
        """Listeners, and the connections that came by them, have other rows now; -1: no row, and
        after a while, in which handshakes that have begun come to their end, no socket."""
        cdef Listener listener
        cdef H1Downstream d
        for listener in self.listeners:
            index = indexes.get(listener.index, listener.index)
            listener.acceptor = self.tls.of(index)
            listener.defer(self.tls.has(index))
        if all(was == now for was, now in indexes.items()):
            return
        rows = {was: now if now >= 0 else NO_LISTENER for was, now in indexes.items()}
        for listener in self.listeners:
            listener.index = rows.get(listener.index, listener.index)
            if listener.index == NO_LISTENER:
                self.loop.call_later(HANDSHAKES_S, self.unlisten, listener.fd)
        for d in self.server.connections:
            if d.facts != NULL:
                d.facts.listener = rows.get(d.facts.listener, d.facts.listener)

    def resolve(self, names: dict) -> None:
        """Host names have these addresses from now on, {name: [[family, text], ...]}; one that
        is missing keeps what it had."""
        news = {name: told for name, told in names.items() if self.names.get(name) != told}
        self.names.update(news)
        self.engine.enter()
        readdress(self.dispatcher.snapshot, news)
        if self.prepared is not None:
            readdress(self.prepared, news)
        for door in self.doors:
            door.readdress(news)
        self.engine.leave()

    # -- before a stream --------------------------------------------------------------------

    def door(self, index: int) -> Doorway | None:
        """What a listener asks of its connections first; all its sockets have the same one, which
        stays over generations that say the same of it."""
        snapshot = self.dispatcher.snapshot
        options = door_options(snapshot.listener_options(index), snapshot.trusted)
        if options is None:
            return None
        for door in self.doors:
            if door.options == options:
                return door
        door = Doorway(options, snapshot.trusted, self.addresses)
        door.readdress(self.names)
        door.set_recorder(self.pass_log)
        self.doors.append(door)
        return door

    def renew_doors(self) -> None:
        """New connections are asked what the running plan says."""
        cdef Listener listener
        for listener in self.listeners:
            if listener.index != NO_LISTENER:
                listener.door = self.door(listener.index)
                listener.tally = self.tally(listener.index)
        self.leave_doors({id(listener.door) for listener in self.listeners})
        self.server.learns = self.announces()

    def leave_doors(self, used: set) -> None:
        """Forget doors that no listener has any more, once nobody stands in them."""
        for door in list(self.doors):
            if id(door) not in used and door.is_empty:
                self.doors.remove(door)
                add_up(self.doors_counted, door.counters())

    def announces(self) -> bool:
        """Whether some upstream is told, by a PROXY header, where clients came in."""
        targets = self.dispatcher.snapshot.target_list
        return any(getattr(target, "send_proxy", 0) for target in targets)

    # -- the end ----------------------------------------------------------------------------

    def listener_says(self, event: str, details: object) -> None:
        """A listener stopped accepting, or could not."""
        self.log("warning", f"listener: {event} {details}")

    def drain(self, done) -> None:
        """Stop accepting, let what is under way end, then call `done()`."""
        self.dispatcher.ending = True
        self.close_listeners()
        self.engine.enter()
        self.end_beginnings()
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

    def retire(self, done) -> None:
        """Another worker has taken over: accept no more, answer the next request of each
        connection with `Connection: close`, then call `done()`. `drain` ends what stays idle."""
        self.close_listeners()
        self.dispatcher.draining = True
        self.server.on_empty = self.and_sample(done)
        if not self.server.connections:
            self.server.on_empty()

    def end_requests(self) -> None:
        """Close every connection but tunnels; called while it drains."""
        cdef H1Downstream d
        self.engine.enter()
        for d in list(self.server.connections):
            if d.state != R_TUNNEL:
                d.lose(REASON_DRAINING)
        self.engine.leave()

    def close_listeners(self) -> None:
        """Stop accepting for good."""
        cdef Listener listener
        for listener in self.listeners:
            listener.close()
        self.listeners.clear()

    def end_beginnings(self) -> None:
        """Close connections that are not open yet; called within a turn."""
        self.tls.abort()
        for door in self.doors:
            door.abort()

    def stop(self) -> None:
        """End at once: connections are closed, nothing is finished."""
        self.close_listeners()
        self.engine.enter()
        self.end_beginnings()
        self.server.abort()
        for door in self.doors:
            door.abort_passes()
        for target in self.dispatcher.snapshot.target_list:
            if isinstance(target, HttpTarget):
                target.trim()
        self.engine.leave()
        if self.sink is not None:
            self.sink.flush()
        self.sampler.stop()
        self.engine.beat_in(NULL, None)
        self.engine.detach(self.loop)

    def door_counters(self) -> dict[str, int]:
        """What the listeners' doors counted, those that are not zero."""
        found = dict(self.doors_counted)
        for door in self.doors:
            add_up(found, door.counters())
        return found

    def connections(self, after: int, limit: int) -> list:
        """Client connections in the order of their `id`, from the one behind `after` on."""
        snapshot = self.dispatcher.snapshot
        names = [snapshot.listener_name(i) for i in range(snapshot.listener_count())]
        passes = [p for door in self.doors for p in door.passing()]
        return list_connections(self.server.connections, passes, names, after, limit)

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
            "relays": (<PipeRelays>self.engine.relays).begun,
            "relay_bytes": (<PipeRelays>self.engine.relays).held,
        } | self.tls.counters()
