"""Tunnels outlive generations of configuration; see tunnel_pins.pxd.

A tunnel pins its policies, their slots and what its record needs, not the snapshot: rows
are copied into the exchange's arena, policies are held one by one.
"""

from libc.stdint cimport uint32_t
from libc.string cimport memcpy
from fastgw.ext.base.arena cimport arena_alloc, arena_copy
from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport HOOKS, Chain, Policy, Step, Ticket
from fastgw.ext.route.plan cimport RouteRow


cdef void pin_for_tunnel(Exchange x) noexcept:
    """Copy the route row and the chain, hold the policies, let the snapshot go. Without memory
    for that the snapshot stays."""
    cdef RouteRow* route = <RouteRow*>arena_alloc(&x.arena, sizeof(RouteRow))
    cdef Chain* chain = <Chain*>arena_alloc(&x.arena, sizeof(Chain))
    cdef list pins = []
    cdef int hook
    cdef uint32_t i, n
    cdef Step* steps
    cdef Ticket t
    cdef Span name = arena_copy(&x.arena, x.route_name.p, x.route_name.n)
    if route == NULL or chain == NULL or name.p == NULL:
        return
    memcpy(route, x.route, sizeof(RouteRow))
    memcpy(chain, x.chain, sizeof(Chain))
    chain.slot_at = <uint32_t*>arena_alloc(&x.arena, chain.n * sizeof(uint32_t))
    if chain.slot_at == NULL:
        return
    memcpy(chain.slot_at, x.chain.slot_at, chain.n * sizeof(uint32_t))
    for hook in range(<int>HOOKS):
        n = chain.count[hook]
        if n == 0:
            continue
        steps = <Step*>arena_alloc(&x.arena, n * sizeof(Step))
        if steps == NULL:
            return
        memcpy(steps, x.chain.steps[hook], n * sizeof(Step))
        chain.steps[hook] = steps
        for i in range(n):
            pins.append(<Policy>steps[i].policy)
    if x.shadow_tickets is not None:
        for t in x.shadow_tickets:
            t.step = chain.steps[t.hook] + (t.step - x.chain.steps[t.hook])
    x.route = route
    x.chain = chain
    x.timeouts = &route.timeouts
    x.route_name = name
    x.pins = pins
    x.snapshot = None
