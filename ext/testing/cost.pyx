"""What a request costs between two ends that do nothing: `python -m bench` reads it."""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset
from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.base.reasons cimport REASON_CLIENT_RESET
from fastgw.ext.base.span cimport span
from fastgw.ext.exchange.contract cimport (
    MODE_STREAM, RETRY_SAFE, Attempt, Downstream, Exchange, Target,
)
from fastgw.ext.exchange.exchange cimport Dispatcher
from fastgw.ext.exchange.request_id cimport new_request_id
from fastgw.ext.exchange.shared cimport Recorder
from fastgw.ext.http.head cimport BODY_LENGTH, BODY_NONE, M_GET
from fastgw.ext.io.stream cimport Facts
from fastgw.ext.testing.heads cimport fill_request

cdef extern from "<time.h>" nogil:
    enum:
        CLOCK_MONOTONIC
    struct timespec:
        long tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec* at)


cdef class QuietTarget(Target):
    """One attempt object, used again and again, that is ready at once and says nothing."""
    cdef Attempt attempt

    def __cinit__(self):
        self.name = "quiet"
        self.body_mode = MODE_STREAM
        self.retry_rule = RETRY_SAFE
        self.max_tries = 3
        self.attempt = QuietAttempt()

    cdef Attempt open(self, Exchange x):
        return self.attempt


cdef class QuietAttempt(Attempt):
    """See QuietTarget."""

    cdef void begin(self) noexcept:
        pass


cdef int64_t _now_ns() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return <int64_t>t.tv_sec * 1000000000 + t.tv_nsec


cdef void _one(Dispatcher d, Downstream client, Attempt a, Chunk* body) noexcept:
    """A GET and its answer of one chunk."""
    cdef Exchange x = d.new_exchange(client)
    x.request.method_id = M_GET
    x.request.path = span(b"/", 1)
    x.request.framing = BODY_NONE
    x.on_request_head(True)
    x.on_attempt_ready(a)
    memset(&a.response, 0, sizeof(a.response))
    a.response.status = 200
    a.response.framing = BODY_LENGTH
    a.response.content_length = body.n
    x.on_response_head(a, False)
    x.on_response_chunk(a, body, True)


def request_ns(Dispatcher dispatcher, int n=100000) -> float:
    """Nanoseconds a request, from its head to the end of its answer; route "/" must lead to
    a QuietTarget. A turn is ended every 64."""
    cdef Downstream client = Downstream()
    cdef QuietTarget target
    cdef Chunk body
    cdef int i
    cdef int64_t begun
    target = <QuietTarget>dispatcher.snapshot.targets[0]
    body.p, body.n, body.owner = b"hello", 5, NULL
    begun = _now_ns()
    for i in range(n):
        _one(dispatcher, client, target.attempt, &body)
        if i & 63 == 63:
            dispatcher.engine.leave()
    dispatcher.engine.leave()
    return (_now_ns() - begun) / <double>n


def record_ns(Dispatcher dispatcher, Recorder recorder, callback, int n=100000) -> float:
    """Nanoseconds that a recorder takes for an exchange that went well; `callback()` is
    called every 500 of them, outside of what is measured (a ring has to be emptied)."""
    cdef Downstream client = Downstream()
    cdef Facts facts
    cdef Exchange x
    cdef int _i, _j
    cdef int64_t begun
    cdef int64_t spent = 0
    memset(&facts, 0, sizeof(facts))
    memcpy(facts.client.text, b"203.0.113.77", 12)
    facts.client.text_n = 12
    client.facts = &facts
    x = dispatcher.new_exchange(client)
    fill_request(x, "GET", "/api/v1/orders/1234567", [("Host", "api.example.com")])
    x.request.framing = BODY_NONE
    x.on_request_head(True)
    x.on_attempt_ready((<QuietTarget>dispatcher.snapshot.targets[0]).attempt)
    x.response.status, x.response_bytes, x.tries = 200, 1234, 1
    x.times.response, x.times.end = x.times.begin + 1234, x.times.begin + 1456
    for _i in range(0, n, 500):
        begun = _now_ns()
        for _j in range(500):
            recorder.record(x)
        spent += _now_ns() - begun
        callback()
    x.on_gone(REASON_CLIENT_RESET)
    dispatcher.engine.leave()
    return spent / <double>n


def request_id(int64_t now_ms) -> str:
    """A new request id for this time."""
    cdef char out[36]
    new_request_id(out, now_ms)
    return out[:36].decode("ascii")
