"""BodyTemplate; see body_template.pxd."""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.span cimport span
from fastgw.ext.http.names cimport NAME_OTHER
from fastgw.ext.policy.template cimport (
    PART_TEXT, RENDER_DONE, RENDER_NO_MEMORY, SCRATCH_BYTES, Template, part_value,
)
from fastgw.ext.policy.template import split

cdef const char* _HEX = b"0123456789abcdef"
cdef enum:
    MAX_GROWTH = 6              # bytes that one byte becomes: &quot; or \u001f


def escape_of(content_type: str) -> int:
    """How values are escaped in bodies of a type."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith(("html", "xml")):
        return ESCAPE_MARKUP
    return ESCAPE_JSON if kind.endswith("json") else ESCAPE_TEXT


@cython.final
cdef class BodyTemplate:
    """`source` with variables, for a body of `content_type`; ValueError for an unknown one."""

    def __init__(self, str source not None, str content_type not None):
        pieces = split(source)
        if len(pieces) > MAX_BODY_PARTS:
            raise ValueError(f"more than {MAX_BODY_PARTS} pieces in one body")
        PyMem_Free(self.parts)
        self.parts = <Part*>PyMem_Malloc((len(pieces) + 1) * sizeof(Part))
        if self.parts == NULL:
            raise MemoryError
        self.source = source
        self.escape = escape_of(content_type)
        self.fixed = not any(variable for variable, _ in pieces)
        self.templates = []
        self.n = 0
        for variable, text in pieces:
            self.add(variable, text)

    def __dealloc__(self):
        PyMem_Free(self.parts)

    def add(self, variable: bool, text: str) -> None:
        """Append a piece."""
        cdef Template one
        cdef bytes raw
        if variable:
            one = Template("{" + text + "}", True)
            self.templates.append(one)
            self.parts[self.n] = one.parts[0]
        else:
            raw = text.encode()
            self.templates.append(raw)
            memset(&self.parts[self.n], 0, sizeof(Part))
            self.parts[self.n].kind = PART_TEXT
            self.parts[self.n].id = NAME_OTHER
            self.parts[self.n].text = span(<const char*>raw, len(raw))
        self.n += 1

    cdef Rendered render(self, Exchange x, Span* out) noexcept:
        """The body for `x`, in its arena (or in this object, when it is fixed)."""
        cdef char scratch[SCRATCH_BYTES]
        cdef size_t room = 0
        cdef int i
        cdef char* at
        cdef Span value
        if self.fixed and self.n <= 1:
            out[0] = self.parts[0].text if self.n else span(NULL, 0)
            return RENDER_DONE
        for i in range(self.n):
            value = part_value(x, &self.parts[i], scratch)
            room += value.n if self.parts[i].kind == PART_TEXT else MAX_GROWTH * value.n
        at = <char*>arena_alloc(&x.arena, room + 1)
        if at == NULL:
            return RENDER_NO_MEMORY
        out.p = at
        for i in range(self.n):
            value = part_value(x, &self.parts[i], scratch)
            if self.parts[i].kind == PART_TEXT:
                memcpy(at, value.p, value.n)
                at += value.n
            else:
                at = _put_escaped(at, value, self.escape)
        out.n = at - out.p
        return RENDER_DONE


cdef char* _put_escaped(char* at, Span value, Escape escape) noexcept:
    """Append a value, escaped."""
    cdef size_t i
    cdef uint8_t c
    for i in range(value.n):
        c = <uint8_t>value.p[i]
        if escape == ESCAPE_MARKUP and c in (34, 38, 39, 60, 62):
            at = _put_entity(at, c)
        elif escape == ESCAPE_JSON and (c < 32 or c in (34, 92) or c > 126):
            at = _put_unicode(at, c)
        else:
            at[0] = 32 if c < 32 or c == 127 else <char>c
            at += 1
    return at


cdef char* _put_entity(char* at, uint8_t c) noexcept:
    """`&#34;`, which HTML and XML both read."""
    at[0], at[1], at[2] = 38, 35, 48 + c // 10
    at[3], at[4] = 48 + c % 10, 59
    return at + 5


cdef char* _put_unicode(char* at, uint8_t c) noexcept:
    """`\\u0022`; bytes above ASCII are told as Latin-1, so that the document stays valid."""
    at[0], at[1], at[2], at[3] = 92, 117, 48, 48
    at[4], at[5] = _HEX[c >> 4], _HEX[c & 15]
    return at + 6
