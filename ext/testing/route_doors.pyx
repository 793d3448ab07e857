"""Doors to the matcher, to what a load made, and policies and targets to load."""

from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from time import thread_time_ns
from fastgw.ext.base.arena cimport Arena, arena_free, arena_init
from fastgw.ext.base.buffers cimport BufferPool
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.exchange.contract cimport Chain, Policy, Target
from fastgw.ext.http.head cimport MethodId, RequestHead, fields_append
from fastgw.ext.http.names cimport name_id
from fastgw.ext.io.stream cimport Facts
from fastgw.ext.route.load cimport PlanSnapshot
from fastgw.ext.route.matcher cimport Found, match_route
from fastgw.ext.route.parameters cimport path_parameter
from fastgw.ext.route.plan cimport RouteRow

cdef extern from "<sys/socket.h>" nogil:
    enum:
        AF_INET
        AF_INET6
        AF_UNIX


cdef enum:
    HOST_BYTES = 256            # of a request that is timed
    PATH_BYTES = 16384


cdef class AnyTarget(Target):
    """A target that only remembers what it was built from."""
    cdef readonly object options

    def __init__(self, name, options):
        self.name = name
        self.options = options


cdef class AnyPolicy(Policy):
    """A policy whose facts come from its options: hooks, slot_size, body_mode, body_limit."""
    cdef readonly object options

    def __init__(self, name, options):
        self.name = name
        self.options = options
        self.hooks = options.get("hooks", 0)
        self.slot_size = options.get("slot_size", 0)
        for side in range(2):
            self.body_mode[side] = options.get("body_mode", (0, 0))[side]
            self.body_limit[side] = options.get("body_limit", (0, 0))[side]

    @property
    def wait_ms(self):
        """How long it may be suspended."""
        return self.timeout_ms


cdef class Asked:
    """A request as the matcher sees it: a head, and a connection's facts."""
    cdef Arena arena
    cdef BufferPool pool
    cdef RequestHead head
    cdef Facts facts
    cdef readonly bint connected
    cdef list kept

    def __cinit__(self, bytes host, bytes path, int method, bytes query=None, fields=(),
                  client=None, int listener=0):
        self.pool = BufferPool(1 << 20)
        self.kept = [host, path, query, fields]
        arena_init(&self.arena, self.pool)
        memset(&self.head, 0, sizeof(RequestHead))
        memset(&self.facts, 0, sizeof(Facts))
        self.head.host = span(host, len(host))
        self.head.path = span(path, len(path))
        self.head.method_id = <MethodId>method
        if query is not None:
            self.head.query = span(query, len(query))
        for name, value in fields:
            fields_append(
                &self.head.fields, &self.arena, name_id(name, len(name)),
                span(name, len(name)), span(value, len(value)),
            )
        self.connected = client is not None
        self.facts.listener = listener
        self.take_client(client or b"")

    def __dealloc__(self):
        arena_free(&self.arena)

    def take_client(self, bytes packed) -> None:
        """The client's address: 4 or 16 bytes; none: a unix socket."""
        self.facts.client.family = {4: AF_INET, 16: AF_INET6}.get(len(packed), AF_UNIX)
        if len(packed) == 4:
            packed = bytes(10) + b"\xff\xff" + packed
        for i in range(len(packed)):
            self.facts.client.ip[i] = packed[i]


def match(PlanSnapshot s not None, bytes host, bytes path, int method, **more) -> tuple[int, int]:
    """What the snapshot's own `match` says: (route, or below zero; methods)."""
    cdef Found found
    cdef Asked asked = Asked(host, path, method, **more)
    s.match(&asked.head, &asked.facts if asked.connected else NULL, &found)
    return found.route, found.methods


def parameter(
    PlanSnapshot s not None, bytes host, bytes path, int method, bytes name
) -> bytes | None:
    """What a parameter of the matched path stands for; None: no such one."""
    cdef Found found
    cdef Asked asked = Asked(host, path, method)
    cdef Span value
    s.match(&asked.head, NULL, &found)
    value = path_parameter(
        &s.matcher, found.extra, asked.head.path, span(<const char*>name, len(name))
    )
    return None if value.p == NULL else value.p[:value.n]


def match_ns(PlanSnapshot s not None, list requests, int rounds) -> float:
    """Nanoseconds a match, over `rounds` of (host, path, method id). What a request costs
    before it is matched, to come from memory, is measured alone and taken off: a worker has
    just parsed it."""
    cdef size_t k, n = len(requests)
    cdef RequestHead* heads = <RequestHead*>calloc(n, sizeof(RequestHead))
    if heads == NULL:
        raise MemoryError
    for k in range(n):
        host, path, method = requests[k]
        heads[k].host = span(<bytes>host, len(host))
        heads[k].path = span(<bytes>path, len(path))
        heads[k].method_id = <MethodId><int>method
        assert len(host) <= HOST_BYTES and len(path) <= PATH_BYTES
    least = [_rounds_ns(s, heads, n, rounds, False), _rounds_ns(s, heads, n, rounds, True)]
    free(heads)
    return (least[1] - least[0]) / (rounds * n)


cdef object _rounds_ns(
    PlanSnapshot s, const RequestHead* heads, size_t n, int rounds, bint matched
):
    """Nanoseconds to copy every request to one place `rounds` times, and to match it."""
    cdef RequestHead head
    cdef char place[HOST_BYTES + PATH_BYTES]
    cdef char* path = place + HOST_BYTES
    cdef Found found
    cdef int i
    cdef size_t k
    memset(&head, 0, sizeof(RequestHead))
    began = thread_time_ns()
    for i in range(rounds):  # no-cython-lint
        for k in range(n):
            head.method_id = heads[k].method_id
            head.host, head.path = span(place, heads[k].host.n), span(path, heads[k].path.n)
            memcpy(place, heads[k].host.p, head.host.n)
            memcpy(path, heads[k].path.p, head.path.n)
            if matched:
                match_route(&s.matcher, &head, NULL, &found)
    return thread_time_ns() - began


def route_row(PlanSnapshot s not None, int i) -> dict[str, object]:
    """A route's row as a map."""
    cdef const RouteRow* row = &s.routes[i]
    fields = dict(row[0])
    fields.pop("pad")
    host = fields.pop("host")
    fields["host"] = s.strings[host["at"]:host["at"] + host["n"]]
    fields["name"] = s.strings[row.name.at:row.name.at + row.name.n]
    return fields


def settings(PlanSnapshot s not None) -> dict[str, object]:
    """What the snapshot says for listeners."""
    return {
        "limits": dict(s.limits), "timeouts": dict(s.timeouts), "memory": s.memory,
        "allow_any": s.allow_any, "error_html": bool(s.error_html),
        "trusted": s.trusted.texts,
    }


def rewrite_row(PlanSnapshot s not None, int i) -> tuple[bytes, bytes]:
    """A rewrite: what is stripped, and what is put there."""
    row = s.rewrites[i]
    return (
        s.strings[row.strip.at:row.strip.at + row.strip.n],
        s.strings[row.prefix.at:row.prefix.at + row.prefix.n],
    )


def target_of(PlanSnapshot s not None, int route):
    """The target of a route, through the array that exchanges use."""
    return <object>s.targets[s.routes[route].target]


def chain(PlanSnapshot s not None, int route) -> dict[str, object]:
    """The compiled chain of a route."""
    cdef const Chain* c = &s.chains[s.routes[route].chain]
    return {
        "n": c.n,
        "steps": [
            [((<Policy>c.steps[hook][i].policy).name, c.steps[hook][i].index,
              c.steps[hook][i].mode, c.steps[hook][i].pass_failures)
             for i in range(c.count[hook])]
            for hook in range(9)
        ],
        "slot_at": [c.slot_at[i] for i in range(c.n)],
        "slots_size": c.slots_size,
        "body_mode": (c.body_mode[0], c.body_mode[1]),
        "body_limit": (c.body_limit[0], c.body_limit[1]),
    }
