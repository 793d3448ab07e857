"""A request tried against a plan: head, path rule and matcher as a worker has them, without
any of the objects that a worker builds. For `fastgw explain`.

    Trials(plan).ask(b"GET /orders/7 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer, Py_buffer
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memset
from ipaddress import ip_address
from fastgw.ext.base.reasons cimport REASON_BAD_PATH, Reason, reason_row
from fastgw.ext.base.span cimport Span, span_bytes
from fastgw.ext.http.head cimport Field, RequestHead
from fastgw.ext.http.request cimport HeadSpace, parse_request, scratch_bound
from fastgw.ext.io.stream cimport Facts
from fastgw.ext.io.tls.stream cimport TlsFacts
from fastgw.ext.route.matcher cimport (
    Found, Matcher, match_route, matcher_free, matcher_init, matcher_text,
)
from fastgw.ext.route.parameters cimport path_parameter
from fastgw.ext.route.plan cimport (
    NOTHING, SECTION_LISTENERS, SECTION_ROUTES, ExtraRow, ListenerRow, Plan, RouteRow,
    plan_open, plan_str,
)

cdef extern from "<sys/socket.h>" nogil:
    enum:
        AF_INET
        AF_INET6
        AF_UNIX


cdef class Trials:
    """A plan to try requests against."""
    cdef Py_buffer view
    cdef bint mapped
    cdef Plan plan
    cdef Matcher matcher

    def __cinit__(self, plan):
        memset(&self.matcher, 0, sizeof(Matcher))
        PyObject_GetBuffer(plan, &self.view, PyBUF_SIMPLE)
        self.mapped = True
        plan_open(&self.plan, <const char*>self.view.buf, self.view.len)
        matcher_init(&self.matcher, &self.plan)

    def __dealloc__(self):
        matcher_free(&self.matcher)
        if self.mapped:
            PyBuffer_Release(&self.view)

    def ask(
        self, bytes head not None, str client="127.0.0.1", int listener=0, str server_name="",
    ) -> dict:
        """What a worker makes of a whole head from this client ("unix" for a unix socket)
        on the listener of this index, whose TLS asked for a server name.

        Either {"refused": reason, "status": of it}, or the route's name or None, host, path
        and query as they are compared, the parameters of the path, and the methods that
        routes would have taken, as bits."""
        cdef HeadSpace space
        cdef RequestHead found
        cdef Facts facts
        cdef TlsFacts tls
        cdef size_t searched = 0
        cdef int64_t result
        memset(&found, 0, sizeof(RequestHead))
        memset(&facts, 0, sizeof(Facts))
        facts.listener = listener
        _take_client(&facts, client)
        cdef bytes name = server_name.lower().encode()
        memset(&tls, 0, sizeof(TlsFacts))
        tls.name, tls.name_n = name, len(name)
        if name:
            facts.tls, facts.identity = True, &tls
        space.cap = self.plan.settings.limits.fields
        space.room = scratch_bound(&self.plan.settings.limits)
        space.rows = <Field*>PyMem_Malloc(space.cap * sizeof(Field))
        space.scratch = <char*>PyMem_Malloc(space.room)
        try:
            if space.rows == NULL or space.scratch == NULL:
                raise MemoryError
            result = parse_request(
                <const char*>head, len(head), &searched, &self.plan.settings.limits, &space,
                &found,
            )
            if result < 0:
                return _refused(<Reason>-result)
            if result == 0:
                raise ValueError("the head is not whole")
            if found.path_used & ~self.plan.settings.allow_any:
                return _refused(REASON_BAD_PATH)
            return self.routed(&found, &facts)
        finally:
            PyMem_Free(space.rows)
            PyMem_Free(space.scratch)

    cdef dict routed(self, RequestHead* head, const Facts* facts):
        """What the matcher says of a head."""
        cdef const RouteRow* routes = <const RouteRow*>self.plan.rows[<int>SECTION_ROUTES]
        cdef Found found
        self.match(head, facts, &found)
        route = None
        if found.route >= 0:
            if head.path_used & ~routes[found.route].allow:
                return _refused(REASON_BAD_PATH)
            route = plan_str(&self.plan, routes[found.route].name)
        return {
            "route": route,
            "host": span_bytes(head.host),
            "path": span_bytes(head.path),
            "query": None if head.query.p == NULL else span_bytes(head.query),
            "parameters": self.parameters(found.extra, head.path),
            "methods": found.methods,
        }

    cdef void match(self, const RequestHead* head, const Facts* facts, Found* found) noexcept:
        """As PlanSnapshot.match: a listener's own route goes before all others."""
        cdef const ListenerRow* rows = <const ListenerRow*>self.plan.rows[<int>SECTION_LISTENERS]
        if facts.listener < self.plan.count[<int>SECTION_LISTENERS] and (
            rows[facts.listener].route != NOTHING
        ):
            found.route = rows[facts.listener].route
            found.methods = 0
            found.extra = NOTHING
            return
        match_route(&self.matcher, head, facts, found)

    cdef dict parameters(self, uint32_t extra, Span path):
        """What each parameter of the matched path stands for."""
        cdef const ExtraRow* row
        cdef Span name, value
        cdef uint32_t i
        cdef dict found = {}
        if extra == NOTHING:
            return found
        row = &self.matcher.extras[extra]
        for i in range(row.captures_n):
            name = matcher_text(&self.matcher, self.matcher.captures[row.captures + i].name)
            value = path_parameter(&self.matcher, extra, path, name)
            found[span_bytes(name).decode()] = b"" if value.p == NULL else span_bytes(value)
        return found


cdef dict _refused(Reason why):
    """A refusal by its name."""
    row = reason_row(why)
    return {"refused": (<bytes>row.name).decode(), "status": row.status}


cdef int _take_client(Facts* facts, str client) except -1:
    """The client's address, as the listener would have it."""
    cdef bytes packed
    cdef int i
    if client == "unix":
        facts.client.family = AF_UNIX
        return 0
    address = ip_address(client)
    facts.client.family = AF_INET if address.version == 4 else AF_INET6
    packed = address.packed
    if address.version == 4:
        packed = bytes(10) + b"\xff\xff" + packed
    for i in range(16):
        facts.client.ip[i] = packed[i]
    return 0
