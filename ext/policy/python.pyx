"""Policies in Python; see python.pxd."""

import asyncio
import inspect
from importlib import import_module
from types import CoroutineType

from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from fastgw.ext.base.arena cimport arena_copy
from fastgw.ext.base.reasons cimport (
    REASON_NONE, REASON_POLICY_REPLY, REASON_POLICY_TIMEOUT, decider_name, reason_row,
)
from fastgw.ext.base.span cimport Span, span_bytes
from fastgw.ext.exchange.contract cimport (
    HOOK_LOG, HOOK_RELEASE, HOOK_REQUEST, HOOK_RESPONSE, TICKET_DONE, TICKET_TIMEOUT, V_CONTINUE,
    V_FAILED, V_RESPOND, V_SUSPEND, TicketEvent,
)
from fastgw.ext.policy.field cimport FieldName, append_copy
from fastgw.ext.policy.field import parse_name, parse_value
from fastgw.ext.policy.hooktask import HookTask
from fastgw.ext.policy.options import only
from fastgw.ext.policy.views cimport client_ip, new_request_view, new_response_view
from fastgw.policy import BODILESS, Policy as PluginBase, Record, Response

cdef enum:
    TIMEOUT_MS = 5000           # how long a hook may wait unless its options say otherwise
    LOGGING_BOUND = 1024        # on_log tasks of one plugin under way at once


# -- loading -----------------------------------------------------------------------------

def load_class(spec: str) -> type:
    """The class that `module:Class` names; ValueError says what is wrong with it."""
    module, colon, name = spec.partition(":")
    if not colon or not module or not name.isidentifier():
        raise ValueError(f"'{spec}': a plugin is named as module:Class")
    try:
        found = getattr(import_module(module), name)
    except ImportError as error:
        raise ValueError(f"'{spec}': {error}") from error
    except AttributeError:
        raise ValueError(f"'{spec}': {module} has no {name}") from None
    if not isinstance(found, type) or not issubclass(found, PluginBase):
        raise ValueError(f"'{spec}': {name} is not a subclass of fastgw.Policy")
    return found


def make_plugin(kind: type, options: dict) -> object:
    """The plugin's object; its constructor is given the options if it takes them."""
    takes = list(inspect.signature(kind).parameters.values())
    if takes and takes[0].kind != inspect.Parameter.KEYWORD_ONLY:
        return kind(options)
    if options:
        raise ValueError(f"{kind.__name__} takes no options")
    return kind()


# -- one exchange --------------------------------------------------------------------------

cdef class Visit:
    """See python.pxd."""

    cdef void close(self) noexcept:
        """The hook is over: its views can't be changed any more."""
        self.request.open = self.request.muted = False
        if self.response is not None:
            self.response.open = self.response.muted = False

    cdef void give_up(self) noexcept:
        """Cancel what the hook waits for; nothing it says from now on is heard."""
        task, self.task, self.ticket = self.task, None, None
        if task is None:
            return
        task.on_end = None
        try:
            task.cancel()
        except Exception:
            pass                # the loop is closed: there is nobody to tell

    def ended(self, task) -> None:
        """The task ended: let the exchange go on, in a turn of its engine."""
        cdef Ticket ticket = self.ticket
        cdef Exchange x = self.x
        if ticket is None or ticket.spent or x.generation == 0:
            return
        if x.engine.in_turn:
            ticket.fire(TICKET_DONE)
            return
        x.engine.enter()
        ticket.fire(TICKET_DONE)
        x.engine.leave()


cdef Verdict _answer(Exchange x, object response) except V_FAILED:
    """Fill `x.reply` with what a plugin answers; checked again, for it may have been changed."""
    cdef bytes raw, body = response.body
    cdef FieldName name
    cdef Span copy
    if not 200 <= response.status <= 599 or (body and response.status in BODILESS):
        raise ValueError(f"a plugin can't answer with status {response.status}"
                         + (" and a body" if body else ""))
    for text, value in response.headers.items():
        name = parse_name(text)
        raw = parse_value(value)
        append_copy(&x.reply.fields, x, name.text, raw)
    copy = arena_copy(&x.arena, <const char*>body, len(body))
    if copy.p == NULL:
        raise MemoryError("no buffer memory for a plugin's answer")
    x.reply.status = response.status
    x.reply.reason = REASON_POLICY_REPLY
    x.reply.body = copy
    x.reply.plain = True
    return V_RESPOND


cdef Verdict _settle(Exchange x, object result) except V_FAILED:
    """What a hook's result means."""
    if result is None:
        return V_CONTINUE
    if isinstance(result, Response) and isinstance(result.body, bytes):
        return _answer(x, result)
    raise TypeError(f"a hook returns None or a fastgw.Response, not {result!r}")


async def _wrapped(awaitable):
    """An awaitable that is no coroutine, as one."""
    return await awaitable


cdef object _new_task(object awaitable, str hook, object on_end):
    """A task of the loop that runs this worker, not begun yet."""
    if type(awaitable) is not CoroutineType and not inspect.iscoroutine(awaitable):
        if not inspect.isawaitable(awaitable):
            raise TypeError(f"a hook returns None or a fastgw.Response, not {awaitable!r}")
        awaitable = _wrapped(awaitable)
    return HookTask(awaitable, asyncio.get_running_loop(), hook, on_end)


cdef class PythonPolicy(Policy):
    """See python.pxd."""

    def __init__(self, name: str, options: dict):
        only(options, ("class", "options", "timeout_ms"), "plugin")
        spec = options.get("class")
        if not isinstance(spec, str):
            raise ValueError("plugin: is named as module:Class")
        kind = load_class(spec)
        self.name = name
        self.kind = "plugin"
        self.spec = spec
        self.plugin = make_plugin(kind, options.get("options") or {})
        self.timeout_ms = options.get("timeout_ms", TIMEOUT_MS)
        self.slot_size = sizeof(void*)
        self.logging = set()
        self.request_hook = self.overridden(kind, "on_request", HOOK_REQUEST)
        self.response_hook = self.overridden(kind, "on_response", HOOK_RESPONSE)
        self.log_hook = self.overridden(kind, "on_log", HOOK_LOG)
        if self.hooks & ~(1 << HOOK_LOG):
            self.hooks |= 1 << HOOK_RELEASE

    def overridden(self, kind: type, name: str, bit: int) -> object:
        """The bound hook, or None where the class has the base's."""
        if getattr(kind, name) is getattr(PluginBase, name):
            return None
        self.hooks |= 1 << bit
        return getattr(self.plugin, name)

    # -- hooks ---------------------------------------------------------------------------

    cdef Verdict on_request(self, Exchange x, void* slot) except V_FAILED:
        cdef Visit v = self.visit(x, slot)
        v.request.open = True
        try:
            return self.take(x, v, "on_request", self.request_hook(v.request))
        finally:
            if v.task is None:
                v.close()

    cdef Verdict on_response(self, Exchange x, void* slot) except V_FAILED:
        cdef Visit v = self.visit(x, slot)
        v.response = new_response_view(x)
        v.response.open = True
        try:
            return self.take(
                x, v, "on_response", self.response_hook(v.request, v.response)
            )
        finally:
            if v.task is None:
                v.close()

    cdef Verdict on_resume(self, Exchange x, void* slot, TicketEvent event) except V_FAILED:
        cdef Visit v = self.visit(x, slot)
        task = v.task
        v.close()
        if event != TICKET_DONE:
            v.give_up()
            if event == TICKET_TIMEOUT:
                x.reply.reason = REASON_POLICY_TIMEOUT
                return V_RESPOND
            return V_CONTINUE
        v.task = v.ticket = None
        return _settle(x, _result(task))

    cdef Verdict on_log(self, Exchange x, void* slot) except V_FAILED:
        result = self.log_hook(_record(x))
        if result is None:
            return V_CONTINUE
        task = _new_task(result, f"{self.name}.on_log", self.logging.discard)
        task.begin()
        if task.done():
            task.result()
        elif len(self.logging) >= LOGGING_BOUND:
            task.cancel()
            raise RuntimeError(f"{LOGGING_BOUND} on_log calls are under way; one was cancelled")
        else:
            self.logging.add(task)
            task.get_loop().call_later(self.timeout_ms / 1000, task.cancel)
        return V_CONTINUE

    cdef void on_release(self, Exchange x, void* slot) noexcept:
        cdef PyObject** at = <PyObject**>slot
        cdef PyObject* held = at[0]
        at[0] = NULL
        if held != NULL:
            (<Visit>held).close()
            (<Visit>held).give_up()
            Py_XDECREF(held)

    # -- helpers -----------------------------------------------------------------------------

    cdef Visit visit(self, Exchange x, void* slot):
        """The exchange's visit, made at its first hook."""
        cdef PyObject** at = <PyObject**>slot
        cdef Visit v
        if at[0] != NULL:
            return <Visit>at[0]
        v = Visit.__new__(Visit)
        v.x = x
        v.request = new_request_view(x)
        Py_INCREF(v)
        at[0] = <PyObject*>v
        return v

    cdef Verdict take(self, Exchange x, Visit v, str hook, object result) except *:
        """A hook's result: a verdict now, or a task that is begun and perhaps waits."""
        if result is None or isinstance(result, Response):
            return _settle(x, result)
        task = _new_task(result, f"{self.name}.{hook}", None)
        task.begin()
        if task.done():
            return _settle(x, _result(task))
        v.give_up()
        v.task = task
        v.ticket = x.take_ticket(self.timeout_ms)
        task.on_end = v.ended
        if x.in_shadow:
            # The exchange goes on meanwhile, out of the runner's sight.
            v.request.muted = True
            if v.response is not None:
                v.response.muted = True
        return V_SUSPEND


cdef object _result(object task):
    """A task's result; a hook that was cancelled by itself has failed."""
    if task.cancelled():
        raise RuntimeError("the hook was cancelled")
    return task.result()


cdef object _record(Exchange x):
    """A copy of what is known at the end."""
    cdef double ms = (x.times.end - x.times.begin) / 1000.0
    return Record(
        request_id=x.request_id[:x.request_id_n].decode("latin-1"),
        route=span_bytes(x.route_name).decode("latin-1"),
        method=span_bytes(x.request.method).decode("latin-1"),
        host=span_bytes(x.request.host).decode("latin-1"),
        path=span_bytes(x.request.path).decode("latin-1"),
        query=span_bytes(x.request.query).decode("latin-1"),
        client_ip=client_ip(x),
        status=x.response.status,
        reason=reason_row(x.reason).name.decode("ascii") if x.reason != REASON_NONE else "",
        decided_by=decider_name(x.decided_by).decode("ascii"),
        request_bytes=x.request_bytes,
        response_bytes=x.response_bytes,
        duration_ms=ms,
    )
