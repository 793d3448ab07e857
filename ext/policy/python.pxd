"""Policies in Python: the adapter between the runner and a user's class.

A `def` hook is a call. The coroutine of an `async def` hook is begun at once; if it
waits, the exchange waits with a ticket and the policy's timeout, and the task that is
left goes on in the worker's loop. When the ticket times out or is cancelled, so is the
task, and what it says later is dropped.
"""

from fastgw.ext.exchange.contract cimport Exchange, Hook, Policy, Ticket, Verdict
from fastgw.ext.policy.views cimport RequestView, ResponseView, View


cdef class Visit:
    """What one exchange keeps for one plugin; its slot holds a reference to it."""
    cdef Exchange x
    cdef RequestView request          # handed to every hook
    cdef ResponseView response        # None before on_response
    cdef Ticket ticket                # taken by the hook that waits, or None
    cdef object task                  # HookTask that it waits for, or None

    cdef void close(self) noexcept
    cdef void give_up(self) noexcept


cdef class PythonPolicy(Policy):
    """A plugin: kind `plugin`, class named as module:Class."""
    cdef readonly object plugin       # the user's object; serves every exchange
    cdef readonly str spec            # module:Class
    cdef object request_hook          # bound methods; None where not overridden
    cdef object response_hook
    cdef object log_hook
    cdef set logging                  # on_log tasks that are still under way

    cdef Visit visit(self, Exchange x, void* slot)
    cdef Verdict take(self, Exchange x, Visit v, str hook, object result) except *
