"""HandSnapshot; see snapshot.pxd.

    s = HandSnapshot()
    s.add_route("/", target, [(policy, "enforce")], timeouts={"request": 5000})
    s.seal()
"""

from libc.stdint cimport int32_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memset
from cpython.ref cimport PyObject
from fastgw.ext.exchange.contract cimport (
    HOOKS, MODE_WHOLE, POLICY_ENFORCE, POLICY_OFF, POLICY_SHADOW, Policy, Step, Target,
)
from fastgw.ext.io.stream cimport Facts
from fastgw.ext.route.matcher cimport Found
from fastgw.ext.route.plan cimport NOTHING, RewriteRow, RouteRow
from fastgw.ext.route.snapshot cimport NO_METHOD, NO_ROUTE

cdef enum:
    ROUTES = 64                 # room in the arrays

#: Words of a plan for PolicyMode.
MODES: dict[str, int] = {
    "enforce": POLICY_ENFORCE, "shadow": POLICY_SHADOW, "off": POLICY_OFF,
}


cdef class HandSnapshot(Snapshot):
    """See snapshot.pxd."""

    def __cinit__(self, number=1):
        self.number = number
        self.prefixes, self.held, self.policies = [], [], []
        self.routes = <RouteRow*>calloc(ROUTES, sizeof(RouteRow))
        self.rewrites = <RewriteRow*>calloc(ROUTES, sizeof(RewriteRow))
        self.chains = <Chain*>calloc(ROUTES, sizeof(Chain))
        self.targets = <PyObject**>calloc(ROUTES, sizeof(void*))
        self.strings = <char*>calloc(ROUTES, 64)

    def __dealloc__(self):
        cdef uint32_t i
        cdef int hook
        for i in range(self.chain_count):
            for hook in range(<int>HOOKS):
                free(self.chains[i].steps[hook])
            free(self.chains[i].slot_at)
        free(<void*>self.routes)
        free(<void*>self.rewrites)
        free(self.chains)
        free(self.targets)
        free(<void*>self.strings)

    def add_route(
        self, str prefix, Target target not None, policies=(), *, timeouts=None, body_limit=0,
        allow=0, rewrite=None, methods=0,
    ) -> None:
        """Take a route; `policies` are (policy, mode) or (policy, mode, "pass")."""
        cdef uint32_t i = self.route_count
        cdef RouteRow* row = <RouteRow*>&self.routes[i]
        if self.sealed or i == ROUTES or len(prefix) > 63:
            raise ValueError("no room for another route")
        self.prefixes.append(prefix.encode("latin-1"))
        row.name.at = row.target = row.chain = row.stat = i
        row.name.at = self.put_string(prefix, i)
        row.name.n = len(prefix)
        row.rewrite = -1
        if rewrite is not None:
            self.put_rewrite(i, rewrite)
            row.rewrite = i
        row.pages = NOTHING
        row.allow, row.methods, row.body_limit = allow, methods, body_limit
        self.put_timeouts(i, dict(timeouts or {}))
        self.held.append(target)
        self.targets[i] = <PyObject*>target
        self.compile_chain(&self.chains[i], list(policies))
        self.route_count = self.chain_count = self.target_count = i + 1

    def seal(self):
        """No more routes; returns itself."""
        self.sealed = True
        return self

    def put_string(self, str text, int i) -> int:
        """Where the text of route `i` stands in the strings."""
        cdef bytes raw = text.encode("latin-1")
        cdef char* at = <char*>self.strings + 64 * i
        memset(at, 0, 64)
        for k in range(len(raw)):
            at[k] = raw[k]
        return 64 * i

    def put_rewrite(self, int i, rewrite) -> None:
        """(strip, prefix): bytes taken off and text put there; the text is the route's."""
        cdef RewriteRow* row = <RewriteRow*>&self.rewrites[i]
        row.strip.at, row.strip.n = self.routes[i].name.at, rewrite[0]
        row.prefix.at, row.prefix.n = 0, len(rewrite[1])
        row.object = NOTHING
        if rewrite[1]:
            raise ValueError("only stripping is offered here")

    def put_timeouts(self, int i, dict values) -> None:
        """Milliseconds by the names of route/plan.pxd."""
        cdef RouteRow* row = <RouteRow*>&self.routes[i]
        row.timeouts.request = values.pop("request", 0)
        row.timeouts.idle = values.pop("idle", 0)
        row.timeouts.body_idle = values.pop("body_idle", 0)
        if values:
            raise ValueError(f"not offered here: {sorted(values)}")

    cdef void compile_chain(self, Chain* chain, list entries) except *:
        """Flat arrays a hook, slots, and the most that any policy asks of bodies."""
        cdef int hook, side
        cdef Policy p
        cdef Step* step
        cdef uint32_t n = len(entries)
        chain.n = n
        chain.slot_at = <uint32_t*>calloc(n + 1, sizeof(uint32_t))
        for hook in range(<int>HOOKS):
            chain.steps[hook] = <Step*>calloc(n + 1, sizeof(Step))
        chain.body_limit[0] = chain.body_limit[1] = <size_t>-1
        for index, entry in enumerate(entries):
            p = <Policy?>entry[0]
            self.held.append(p)
            self.policies.append(p)
            chain.slot_at[<int>index] = chain.slots_size
            chain.slots_size += (p.slot_size + 7) & ~7
            for hook in range(<int>HOOKS):
                if p.hooks & (1 << hook):
                    step = &chain.steps[hook][chain.count[hook]]
                    chain.count[hook] += 1
                    step.policy = <PyObject*>p
                    step.index = index
                    step.mode = MODES[entry[1]]
                    step.pass_failures = len(entry) > 2 and entry[2] == "pass"
            if entry[1] == "off":
                continue
            for side in range(2):
                chain.body_mode[side] = max(chain.body_mode[side], <int>p.body_mode[side])
                if p.body_mode[side] == MODE_WHOLE:
                    chain.body_limit[side] = min(chain.body_limit[side], p.body_limit[side])

    cdef void match(self, const RequestHead* head, const Facts* facts, Found* found) noexcept:
        """The route with the longest prefix of the path."""
        cdef int32_t i, best = NO_ROUTE
        cdef size_t n, best_n = 0
        cdef bytes prefix
        found.methods = 0
        found.extra = NOTHING
        for i in range(<int32_t>self.route_count):
            prefix = <bytes>self.prefixes[i]
            n = len(prefix)
            if n < best_n or n > head.path.n or memcmp(<char*>prefix, head.path.p, n) != 0:
                continue
            if self.routes[i].methods and not (
                self.routes[i].methods & (<uint32_t>1 << <int>head.method_id)
            ):
                found.methods |= self.routes[i].methods
                if best < 0:
                    best = NO_METHOD
                continue
            best, best_n = i, n
        found.route = best
