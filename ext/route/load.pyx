"""load_plan; see load.pxd.

A load fails whole: whatever a builder raises reaches the caller, the snapshot under
construction is freed, and the worker keeps what it has.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport uint16_t, uint32_t
from libc.string cimport memset
import msgpack
from fastgw.ext.base.networks import Networks
from fastgw.ext.exchange.client_address import ClientField
from fastgw.ext.exchange.contract cimport (
    HOOKS, MODE_WHOLE, POLICY_OFF, Chain, Policy, Step, Target,
)
from fastgw.ext.policy.error_pages cimport ErrorPages
from fastgw.ext.policy.path_rewriter cimport PathRewriter
from fastgw.ext.route.errors import PlanError
from fastgw.ext.route.node import KIND, NodeOptions
from fastgw.ext.route.matcher cimport match_route, matcher_begin, matcher_free, matcher_step
from fastgw.ext.route.parameters cimport path_parameter
from fastgw.ext.route.plan cimport (
    NOTHING, SECTION_CHAINS, SECTION_DATA, SECTION_LISTENERS, SECTION_NETWORKS,
    SECTION_OBJECTS, SECTION_REWRITES, SECTION_ROUTES, SECTION_STATUSES, SECTION_STEPS,
    SECTION_TARGETS, ChainRow, ListenerRow, ObjectRow, RewriteRow, RouteRow, StepRow, Text,
    PlanOpening, plan_str, plan_strings,
)

#: The option whose entries name other objects of the plan by their content hash.
PARTS = "parts"

cdef enum:
    SLICE = 256                 # rows between two points where a load may pause
    SLOT_ALIGN = 8              # policies may keep pointers and 64-bit numbers in their slots


cdef class PlanSnapshot(Snapshot):
    """See load.pxd."""

    def __dealloc__(self):
        cdef size_t i
        if self.chains != NULL:
            for i in range(self.chain_count):
                _free_chain(&self.chains[i])
            PyMem_Free(self.chains)
        if self.targets != NULL:
            for i in range(self.target_count):
                if self.targets[i] != NULL:
                    Py_DECREF(<object>self.targets[i])
            PyMem_Free(self.targets)
        PyMem_Free(self.things)
        matcher_free(&self.matcher)
        if self.mapped:
            PyBuffer_Release(&self.view)

    cdef void match(self, const RequestHead* head, const Facts* facts, Found* found) noexcept:
        """The route of the client's listener, if it has one for every request; else that of
        the head."""
        cdef const ListenerRow* listeners
        if self.plan.settings.forced and facts != NULL and (
            facts.listener < self.plan.count[<int>SECTION_LISTENERS]
        ):
            listeners = <const ListenerRow*>self.plan.rows[<int>SECTION_LISTENERS]
            if listeners[facts.listener].route != NOTHING:
                found.route = listeners[facts.listener].route
                found.methods = 0
                found.extra = NOTHING
                return
        match_route(&self.matcher, head, facts, found)

    cdef Span parameter(self, Exchange x, Span name) noexcept:
        """See route/parameters."""
        return path_parameter(&self.matcher, x.matched, x.request.path, name)

    def listener_count(self) -> int:
        """How many listeners the plan has."""
        return self.plan.count[<int>SECTION_LISTENERS]

    def listener_name(self, index: int) -> str:
        """The name of a listener; that of the one that is there when the plan knows none."""
        if not 0 <= index < self.plan.count[<int>SECTION_LISTENERS]:
            return "default"
        rows = <const ListenerRow*>self.plan.rows[<int>SECTION_LISTENERS]
        return plan_str(&self.plan, rows[<int>index].name)

    def listener_options(self, index: int) -> dict:
        """What the plan says of a listener besides its address."""
        if not 0 <= index < self.plan.count[<int>SECTION_LISTENERS]:
            return {}
        rows = <const ListenerRow*>self.plan.rows[<int>SECTION_LISTENERS]
        data = self.plan.rows[<int>SECTION_DATA] + rows[<int>index].options_at
        return msgpack.unpackb(data[:rows[<int>index].options_n])

    def tls_options(self) -> dict:
        """The `tls` options of the listeners that have some, by row."""
        rows = range(self.plan.count[<int>SECTION_LISTENERS])
        found = {i: self.listener_options(i).get("tls") for i in rows}
        return {i: options for i, options in found.items() if options}

    def route_names(self) -> list[str]:
        """Names of the routes, by index."""
        return [plan_str(&self.plan, self.routes[i].name) for i in range(self.route_count)]


def load_plan(plan, builders, Snapshot previous=None) -> PlanSnapshot:
    """Map a plan, build its objects, compile its chains.

    `builders[kind](name, options)` makes a Policy or Target; an object that `previous` has
    under the same content hash is used again. PlanError says what is wrong with the plan."""
    for s in load_slices(plan, builders, previous):  # no-cython-lint
        pass
    return s


def load_slices(plan, builders, Snapshot previous=None):
    """`load_plan` a little at a time: yields None often, the snapshot at last."""
    cdef PlanSnapshot s = PlanSnapshot.__new__(PlanSnapshot)
    cdef PlanOpening opening = PlanOpening.__new__(PlanOpening)
    PyObject_GetBuffer(plan, &s.view, PyBUF_SIMPLE)
    s.mapped = True
    s.mapping = plan
    opening.begin(&s.plan, <const char*>s.view.buf, s.view.len)
    while not opening.step():
        yield
    matcher_begin(&s.matcher, &s.plan)
    while not matcher_step(&s.matcher):
        yield
    _take_settings(s)
    s.made = []
    yield from _build_objects(s, builders, previous, s.made)
    _take_things(s)
    _take_targets(s, s.made)
    yield
    yield from _take_chains(s, s.made)
    yield s


cdef int _take_settings(PlanSnapshot s) except -1:
    """Point at the rows that the exchange reads in place."""
    cdef const Text* networks = <const Text*>s.plan.rows[<int>SECTION_NETWORKS]
    s.number = s.plan.header.number
    s.strings = plan_strings(&s.plan)
    s.routes = <const RouteRow*>s.plan.rows[<int>SECTION_ROUTES]
    s.route_count = s.plan.count[<int>SECTION_ROUTES]
    s.rewrites = <const RewriteRow*>s.plan.rows[<int>SECTION_REWRITES]
    s.limits = s.plan.settings.limits
    s.timeouts = s.plan.settings.timeouts
    s.memory = s.plan.settings.memory
    s.allow_any = s.plan.settings.allow_any
    s.pages = s.plan.settings.pages
    s.statuses = <const uint16_t*>s.plan.rows[<int>SECTION_STATUSES]
    s.error_html = s.plan.settings.error_html != 0
    try:
        s.trusted = Networks(
            [plan_str(&s.plan, networks[i])
             for i in range(s.plan.count[<int>SECTION_NETWORKS])]
        )
    except ValueError as e:
        raise PlanError(f"trusted_proxies: {e}") from None
    s.client_fields = _client_fields(s)
    return 0


cdef list _client_fields(PlanSnapshot s):
    """The field of each listener that names the client; None when no listener says one."""
    try:
        rows = range(s.plan.count[<int>SECTION_LISTENERS])
        named = [s.listener_options(i).get("client_field") for i in rows]
        if not any(named):
            return None
        return [ClientField(name) if name else None for name in named]
    except Exception as e:
        raise PlanError(f"options of a listener can't be read: {e}") from None


# -- objects -------------------------------------------------------------------------------

def _build_objects(PlanSnapshot s, builders, Snapshot previous, list made):
    """Every object of the plan, in its order; unchanged ones are the previous snapshot's."""
    cdef const ObjectRow* rows = <const ObjectRow*>s.plan.rows[<int>SECTION_OBJECTS]
    cdef dict old = {}
    cdef size_t i
    cdef bytes key
    s.objects, s.node = {}, {}
    if isinstance(previous, PlanSnapshot):
        old = (<PlanSnapshot>previous).objects
    for i in range(s.plan.count[<int>SECTION_OBJECTS]):
        key = (<const char*>rows[i].hash)[:16]
        it = s.objects.get(key)
        if it is None:
            it = old.get(key)
        if it is None:
            it = _build(s, &rows[i], builders)
            yield
        s.objects[key] = it
        made.append(it)
        if type(it) is NodeOptions:
            s.node = it.options
        if i % SLICE == SLICE - 1:
            yield


cdef object _build(PlanSnapshot s, const ObjectRow* row, builders):
    """One object, made by the builder of its kind."""
    cdef const char* data = s.plan.rows[<int>SECTION_DATA] + row.data_at
    kind = plan_str(&s.plan, row.kind)
    name = plan_str(&s.plan, row.name)
    builder = NodeOptions if kind == KIND else builders.get(kind)
    if builder is None:
        raise PlanError(f"no builder for objects of kind '{kind}' ('{name}')")
    try:
        options = msgpack.unpackb(data[:row.data_n])
    except Exception as e:
        raise PlanError(f"options of {kind} '{name}' can't be read: {e}") from None
    if not isinstance(options, dict):
        raise PlanError(f"options of {kind} '{name}' are not a map")
    if PARTS in options:
        options[PARTS] = [_part(s, kind, name, part) for part in options[PARTS]]
    return builder(name, options)


cdef object _part(PlanSnapshot s, str kind, str name, part):
    """A part of an object, with the object that its hash names in the hash's place; it is
    one that stands before the whole."""
    key = part.get("object") if isinstance(part, dict) else None
    it = s.objects.get(key)
    if it is None:
        raise PlanError(f"{kind} '{name}': a part of it is not in the plan")
    return part | {"object": it}


cdef int _take_things(PlanSnapshot s) except -1:
    """What rows name by the index of an object, and that it is of the kind they want."""
    cdef const RouteRow* routes = s.routes
    cdef size_t i
    s.things = <PyObject**>_take(len(s.made), sizeof(PyObject*))
    for i in range(<size_t>len(s.made)):
        s.things[i] = <PyObject*>s.made[i]
    if s.pages != NOTHING:
        _want(s, s.pages, ErrorPages)
    for i in range(s.route_count):
        if routes[i].pages != NOTHING:
            _want(s, routes[i].pages, ErrorPages)
    for i in range(s.plan.count[<int>SECTION_REWRITES]):
        if s.rewrites[i].object != NOTHING:
            _want(s, s.rewrites[i].object, PathRewriter)
    return 0


cdef int _want(PlanSnapshot s, uint32_t i, type kind) except -1:
    """An object is what a row takes it for."""
    it = <object>s.things[i]
    if not isinstance(it, kind):
        raise PlanError(f"objects[{i}]: {type(it).__name__} is not {kind.__name__}")
    return 0


cdef int _take_targets(PlanSnapshot s, list made) except -1:
    cdef const uint32_t* rows = <const uint32_t*>s.plan.rows[<int>SECTION_TARGETS]
    cdef size_t i
    s.target_list = []
    s.target_count = s.plan.count[<int>SECTION_TARGETS]
    s.targets = <PyObject**>_take(s.target_count, sizeof(PyObject*))
    for i in range(s.target_count):
        it = made[rows[i]]
        if not isinstance(it, Target):
            raise PlanError(f"targets[{i}]: {type(it).__name__} is not a Target")
        Py_INCREF(it)
        s.targets[i] = <PyObject*>it
        s.target_list.append(it)
    return 0


# -- chains --------------------------------------------------------------------------------

cdef void* _take(size_t n, size_t size) except NULL:
    """Zeroed memory for n rows, never NULL."""
    cdef void* p = PyMem_Calloc(n + 1, size)
    if p == NULL:
        raise MemoryError
    return p


cdef void _free_chain(Chain* c) noexcept:
    cdef int hook
    for hook in range(<int>HOOKS):
        PyMem_Free(c.steps[hook])
    PyMem_Free(c.slot_at)


def _take_chains(PlanSnapshot s, list made):
    cdef const ChainRow* rows = <const ChainRow*>s.plan.rows[<int>SECTION_CHAINS]
    cdef const StepRow* steps = <const StepRow*>s.plan.rows[<int>SECTION_STEPS]
    cdef size_t i
    s.policies = _policies(s, made)
    s.chains = <Chain*>_take(s.plan.count[<int>SECTION_CHAINS], sizeof(Chain))
    for i in range(s.plan.count[<int>SECTION_CHAINS]):
        s.chain_count += 1
        _compile(&s.chains[i], steps + rows[i].first, rows[i].count, made)
        if i % SLICE == SLICE - 1:
            yield


cdef list _policies(PlanSnapshot s, list made):
    """The policies that steps name, each once, with the steps' time to wait."""
    cdef const StepRow* steps = <const StepRow*>s.plan.rows[<int>SECTION_STEPS]
    cdef dict found = {}
    cdef size_t i
    for i in range(s.plan.count[<int>SECTION_STEPS]):
        it = made[steps[i].object]
        if not isinstance(it, Policy):
            raise PlanError(f"steps[{i}]: {type(it).__name__} is not a Policy")
        if steps[i].timeout_ms:
            (<Policy>it).timeout_ms = steps[i].timeout_ms
        found[steps[i].object] = it
    return list(found.values())


cdef int _compile(Chain* c, const StepRow* rows, size_t n, list made) except -1:
    """Flat arrays, one a hook, of the policies that have it; `off` ones are left out."""
    cdef size_t i
    cdef int hook
    cdef uint16_t entered = 0
    for hook in range(<int>HOOKS):
        c.steps[hook] = <Step*>_take(n, sizeof(Step))
    c.slot_at = <uint32_t*>_take(n, sizeof(uint32_t))
    for i in range(n):
        if rows[i].mode != POLICY_OFF:
            _enter(c, &rows[i], <Policy>made[rows[i].object], entered)
            entered += 1
    c.n = entered
    return 0


cdef void _enter(Chain* c, const StepRow* row, Policy policy, uint16_t index) noexcept:
    """Append one policy to the arrays of its hooks, and make room for its slot."""
    cdef Step step
    cdef int hook, side
    memset(&step, 0, sizeof(Step))
    step.policy = <PyObject*>policy
    step.index = index
    step.mode = row.mode
    step.pass_failures = row.pass_failures
    for hook in range(<int>HOOKS):
        if policy.hooks >> hook & 1:
            c.steps[hook][c.count[hook]] = step
            c.count[hook] += 1
    c.slot_at[index] = c.slots_size
    c.slots_size += (policy.slot_size + SLOT_ALIGN - 1) // SLOT_ALIGN * SLOT_ALIGN
    for side in range(2):
        _widen(c, policy, side)


cdef void _widen(Chain* c, Policy policy, int side) noexcept:
    """The chain's body mode is the most that any policy asks for, its limit the least."""
    if policy.body_mode[side] > c.body_mode[side]:
        c.body_mode[side] = policy.body_mode[side]
    if policy.body_mode[side] == MODE_WHOLE and (
        c.body_limit[side] == 0 or policy.body_limit[side] < c.body_limit[side]
    ):
        c.body_limit[side] = policy.body_limit[side]
