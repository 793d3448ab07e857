"""Doors to the matcher, to what a load made, and policies and targets to load."""

from libc.stdint cimport uint32_t
from time import perf_counter_ns
from fastgw.ext.base.span cimport Span, span
from fastgw.ext.exchange.contract cimport Chain, Policy, Target
from fastgw.ext.http.head cimport MethodId, RequestHead
from fastgw.ext.route.load cimport PlanSnapshot
from fastgw.ext.route.matcher cimport hash_bytes, match_route
from fastgw.ext.route.plan cimport RouteRow


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


def match(PlanSnapshot s not None, bytes host, bytes path, int method) -> tuple[int, int]:
    """What the snapshot's own `match` says: (route, or below zero; methods)."""
    cdef RequestHead head
    cdef uint32_t methods = 0xFFFFFFFF
    head.host = span(host, len(host))
    head.path = span(path, len(path))
    head.method_id = <MethodId>method
    route = s.match(&head, &methods)
    return route, methods


def match_ns(PlanSnapshot s not None, list requests, int rounds) -> float:
    """Nanoseconds a match, over `rounds` of (host, path, method id)."""
    cdef uint32_t methods
    cdef int i, k, n = len(requests)
    cdef Span hosts[64]
    cdef Span paths[64]
    cdef int ids[64]
    assert n <= 64
    for k in range(n):
        host, path, ids[k] = requests[k]
        hosts[k] = span(<bytes>host, len(host))
        paths[k] = span(<bytes>path, len(path))
    began = perf_counter_ns()
    for i in range(rounds):  # no-cython-lint
        for k in range(n):  # no-cython-lint
            match_route(&s.matcher, hosts[k], paths[k], <MethodId>ids[k], &methods)
    return (perf_counter_ns() - began) / (rounds * n)


def hash_of(seed: int, bytes data) -> int:
    """The matcher's hash."""
    return hash_bytes(seed, data, len(data))


def route_row(PlanSnapshot s not None, int i) -> dict[str, object]:
    """A route's row as a map."""
    cdef const RouteRow* row = &s.routes[i]
    fields = dict(row[0])
    fields.pop("pad")
    fields["name"] = s.strings[row.name.at:row.name.at + row.name.n]
    return fields


def settings(PlanSnapshot s not None) -> dict[str, object]:
    """What the snapshot says for listeners."""
    return {
        "limits": dict(s.limits), "timeouts": dict(s.timeouts), "memory": s.memory,
        "allow_any": s.allow_any, "error_html": bool(s.error_html),
        "trusted": s.trusted.texts,
    }


def rewrite_row(PlanSnapshot s not None, int i) -> tuple[int, bytes]:
    """A rewrite: bytes to strip, and what is put there."""
    row = s.rewrites[i]
    return row.strip_n, s.strings[row.prefix.at:row.prefix.at + row.prefix.n]


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
