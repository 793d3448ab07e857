"""A policy that does what a script says.

    ScriptedPolicy("a", {"on_request": "suspend", "on_resume": ("respond", 403, b"no")})

An action is a word or a tuple; a list of actions is walked call by call (the last one
repeats); a callable gets the Seen and returns an action.

    continue | suspend | ("suspend", ms) | ("respond", status, body) | ("reason", name) | raise
    ("emit", [bytes ...]) | ("emit_counted", [bytes ...]) | ("more", [bytes ...])
    ("replace", bytes) | ("set", name, value) | ("remove", name) | ("provide", name, value)
    ("status", n) | ("sink", sink) | another | ("early", event) | ("all", [action ...])
"""

from libc.stdint cimport uint32_t
from fastgw.ext.base.buffers cimport Chunk
from fastgw.ext.exchange.contract cimport Attempt, Exchange, Hook, Policy, V_FAILED, Verdict


cdef class Seen:
    """What a callable of a script sees of the exchange, during its call only."""
    cdef readonly str hook
    cdef readonly str event           # of on_resume: "done", "timeout", "cancelled"
    cdef readonly bytes chunk         # of chunk hooks
    cdef readonly bint last
    cdef readonly bytes body          # of body hooks
    cdef readonly int status          # of the response
    cdef readonly list fields         # of the head that the hook is about


cdef class ScriptedPolicy(Policy):
    cdef object __weakref__
    cdef dict script
    cdef readonly list calls          # (hook, detail), in order
    cdef readonly list tickets        # every ticket taken, in order
    cdef dict turns                   # hook -> calls so far

    cdef Verdict act(
        self, Exchange x, void* slot, Hook hook, str name, Attempt a, Chunk* c, bint last, str event
    ) except V_FAILED
    cdef Verdict do(
        self, Exchange x, void* slot, Hook hook, Attempt a, Chunk* c, object action
    ) except V_FAILED
    cdef Verdict suspend(self, Exchange x, uint32_t ms, object event) except V_FAILED
    cdef Verdict respond(self, Exchange x, object status, bytes body, str reason) except V_FAILED
    cdef void emit_all(self, Exchange x, object pieces, bint counted) except *
    cdef Verdict give_more(self, Exchange x, void* slot, Chunk* c, object pieces) except V_FAILED
    cdef void edit(self, Exchange x, Hook hook, Attempt a, object action) except *
