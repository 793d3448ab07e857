"""Header edits; see headers.pxd."""

from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.reasons cimport REASON_MEMORY
from fastgw.ext.exchange.contract cimport (
    HOOK_REQUEST, HOOK_RESPONSE, V_CONTINUE, V_FAILED, V_RESPOND,
)
from fastgw.ext.http.head cimport fields_append, fields_remove
from fastgw.ext.policy.field import parse_name
from fastgw.ext.policy.options import only
from fastgw.ext.policy.template cimport RENDER_NO_MEMORY, RENDER_UNSAFE, Rendered


# A rendered value; one that holds a control byte is not written.
cdef struct Value:
    Span text
    bint unsafe


cdef class Edit:
    """See headers.pxd."""

    def __init__(self, kind: int, name: object, template: Template | None = None):
        self.kind = kind
        self.name = parse_name(name)
        self.template = template

    def __repr__(self) -> str:
        verb = ("remove", "set", "add")[self.kind]
        return f"<Edit {verb} {self.name.text.decode()}>"


def _valued(kind: int, values: object, side: str, verb: str) -> list[Edit]:
    """The edits of one `set` or `add` map."""
    if not isinstance(values, dict):
        raise ValueError(f"{side}.{verb}: expected a map of names and values")
    edits = []
    for name, value in values.items():
        for one in value if isinstance(value, list) and kind == EDIT_ADD else [value]:
            try:
                template = Template(one.strip(" \t") if isinstance(one, str) else one,
                                    side == "response")
                edits.append(Edit(kind, name, template))
            except ValueError as error:
                raise ValueError(f"{side}.{verb}.{name}: {error}") from None
    return edits


def _removed(names: object, side: str) -> list[Edit]:
    """The edits of a `remove` list."""
    if not isinstance(names, (list, tuple)):
        raise ValueError(f"{side}.remove: expected a list of names")
    edits = []
    for name in names:
        try:
            edits.append(Edit(EDIT_REMOVE, name))
        except ValueError as error:
            raise ValueError(f"{side}.remove: {error}") from None
    return edits


def _no_twice(edits: list[Edit], side: str) -> None:
    """A name may be set, or set and added to, but not set twice or set and removed."""
    seen: set[bytes] = set()
    for edit in edits:
        lowered = (<Edit>edit).name.lowered
        if (<Edit>edit).kind != EDIT_ADD and lowered in seen:
            raise ValueError(f"{side}: {lowered.decode()} is named twice")
        if (<Edit>edit).kind != EDIT_ADD:
            seen.add(lowered)


def parse_edits(options: object, side: str) -> tuple[Edit, ...]:
    """The edits of one side, in the order in which they are made."""
    if not isinstance(options, dict):
        raise ValueError(f"{side}: expected a map with set, add and remove")
    only(options, ("set", "add", "remove"), side)
    edits = _removed(options.get("remove") or [], side)
    edits += _valued(EDIT_SET, options.get("set") or {}, side, "set")
    edits += _valued(EDIT_ADD, options.get("add") or {}, side, "add")
    _no_twice(edits, side)
    return tuple(edits)


cdef class HeadersPolicy(Policy):
    """See headers.pxd."""

    def __init__(self, name: str, options: dict):
        only(options, ("request", "response"), "headers")
        self.name = name
        self.kind = "headers"
        self.request = parse_edits(options.get("request") or {}, "request")
        self.response = parse_edits(options.get("response") or {}, "response")
        self.hooks = (
            bool(self.request) << HOOK_REQUEST | bool(self.response) << HOOK_RESPONSE
        )

    cdef Verdict on_request(self, Exchange x, void* slot) except V_FAILED:
        return self.apply(x, self.request, &x.request.fields)

    cdef Verdict on_response(self, Exchange x, void* slot) except V_FAILED:
        return self.apply(x, self.response, &x.response.fields)

    cdef Verdict apply(self, Exchange x, tuple edits, Fields* fields) except *:
        """Render all values, then edit.

        A value that must not be written fails the policy after the rest was done: with
        `on_failure: pass` the header is missing then, never the sender's own."""
        cdef Py_ssize_t i, n = len(edits)
        cdef Value* values = <Value*>arena_alloc(&x.arena, n * sizeof(Value))
        cdef Edit edit, unsafe = None
        cdef Rendered rendered
        if values == NULL:
            return _no_memory(x)
        for i in range(n):
            edit = <Edit>edits[i]
            values[i].unsafe = False
            if edit.kind == EDIT_REMOVE:
                continue
            rendered = edit.template.render(x, &values[i].text)
            if rendered == RENDER_NO_MEMORY:
                return _no_memory(x)
            if rendered == RENDER_UNSAFE:
                values[i].unsafe = True
                unsafe = edit
        for i in range(n):
            if not _edit(x, <Edit>edits[i], fields, &values[i]):
                return _no_memory(x)
        if unsafe is not None:
            raise ValueError(f"header {unsafe.name.text.decode()}: its value would hold "
                             "a control byte")
        return V_CONTINUE


cdef Verdict _no_memory(Exchange x) noexcept:
    """Answer 503 `memory`."""
    x.reply.reason = REASON_MEMORY
    return V_RESPOND


cdef bint _edit(Exchange x, Edit edit, Fields* fields, const Value* value) noexcept:
    """One edit of the journal; False without memory."""
    if edit.kind != EDIT_ADD:
        fields_remove(fields, &x.arena, edit.name.id, edit.name.lowered_span())
    if edit.kind == EDIT_REMOVE or value.unsafe:
        return True
    return fields_append(
        fields, &x.arena, edit.name.id, edit.name.text_span(), value.text
    ) != NULL
