"""Rig: a worker without sockets; see rig.pxd."""

from fastgw.ext.base.buffers cimport BufferPool
from fastgw.ext.base.reasons cimport decider_name
from fastgw.ext.route.snapshot cimport Snapshot
from fastgw.ext.testing.client cimport FakeConnection
from fastgw.ext.testing.heads cimport reason_name


cdef class ListRecorder(Recorder):
    """See rig.pxd."""

    def __cinit__(self):
        self.rows = []

    cdef void record(self, Exchange x) noexcept:
        self.rows.append({
            "reason": reason_name(x.reason),
            "decided_by": decider_name(x.decided_by).decode("ascii"),
            "status": x.response.status,
            "route": x.route_name.p[:x.route_name.n].decode("latin-1") if x.route_name.n else "",
            "tries": x.tries,
            "request_bytes": x.request_bytes,
            "response_bytes": x.response_bytes,
            "provided": x.provided,
            "shadow": x.shadow,
        })


cdef class Rig:
    """See rig.pxd."""

    def __cinit__(self, Snapshot snapshot not None, size_t bound_bytes=64 << 20):
        self.engine = Engine(BufferPool(bound_bytes))
        self.recorder = ListRecorder()
        self.dispatcher = Dispatcher(self.engine, snapshot, self.recorder)
        self.logged = []
        self.dispatcher.log = self.log

    def log(self, str level, str text) -> None:
        """What the dispatcher has to say."""
        self.logged.append((level, text))

    @property
    def records(self) -> list[dict[str, object]]:
        """What was recorded of exchanges that ended."""
        return self.recorder.rows

    @property
    def in_use(self) -> int:
        """Bytes of buffers handed out."""
        return self.engine.pool.in_use

    @property
    def deadlines(self) -> int:
        """Deadlines that are filed."""
        return self.engine.wheel.filed

    def connect(self, **options):
        """A client's connection."""
        return FakeConnection(self.dispatcher, **options)

    def turn(self) -> None:
        """End the engine's turn: what was put off is done, what was dropped is freed."""
        self.engine.in_turn = True
        self.engine.leave()

    def pass_ms(self, int ms) -> None:
        """Let time pass, then end the turn."""
        self.engine.now_ms += ms
        self.engine.now_us += 1000 * ms
        self.engine.wheel.advance(self.engine.now_ms)
        self.turn()

    def limit(self, size_t bytes_left) -> None:
        """From now on only so many bytes of buffers more are handed out."""
        self.engine.pool.bound_bytes = self.engine.pool.in_use + bytes_left
        self.engine.pool.full_bytes = self.engine.pool.bound_bytes
