"""PathRewriter; see path_rewriter.pxd."""

cimport cython
import re
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t
from libc.string cimport memcpy
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.reasons cimport REASON_BAD_PATH, REASON_MEMORY, REASON_NONE
from fastgw.ext.http.scan cimport UNRESERVED, hex_value, is_class
from fastgw.ext.http.uri cimport NormalPath, normalise_path
from fastgw.ext.policy.options import only
from fastgw.ext.policy.template cimport (
    MAX_PARTS, PART_PARAMETER, PART_PATH, PART_TEXT, SCRATCH_BYTES, part_value,
)
from fastgw.ext.route.regex cimport MAX_GROUPS, Part, re_find

#: Bytes that may stand in a path as they are (RFC 3986 section 3.3), and escapes.
_PATH_TEXT = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*\Z")
_GROUP = re.compile(r"\\(.)", re.DOTALL)
cdef const char* _HEX = b"0123456789ABCDEF"


def check_path_text(text: str, where: str) -> str:
    """The text, if a path may hold it; ValueError else."""
    if not _PATH_TEXT.match(text):
        raise ValueError(f"{where}: '{text}' holds what no path may hold (escape it: %20)")
    return text


def substitution_pieces(text: str, groups: int) -> list[bytes | int]:
    """A substitution cut at its groups; `\\0` is the whole find, `\\\\` a backslash."""
    pieces: list[bytes | int] = []
    at = 0
    for found in _GROUP.finditer(text):
        pieces.append(check_path_text(text[at:found.start()], "substitution").encode())
        if not found[1].isdigit() or not found[1].isascii():
            raise ValueError(f"substitution: '{found[0]}' is not a group (\\0 to \\9)")
        if int(found[1]) > groups:
            raise ValueError(f"substitution: the pattern has no group '{found[0]}'")
        pieces.append(int(found[1]))
        at = found.end()
    pieces.append(check_path_text(text[at:], "substitution").encode())
    return [piece for piece in pieces if piece != b""]


@cython.final
cdef class PathRewriter:
    """Options: {"path": template} or {"regex": pattern, "substitution": text}; ValueError
    says what is wrong with them."""

    def __init__(self, name: str, options: dict):
        only(options, ("path", "regex", "substitution"), "rewrite")
        if "path" in options:
            self.template = Template(options["path"])
            self.check_template()
        else:
            self.pattern = Pattern(options["regex"])
            self.pieces = substitution_pieces(options["substitution"], self.pattern.groups)

    def check_template(self) -> None:
        """A template begins with a slash and holds nothing that ends a path."""
        pieces = self.template.pieces
        first = pieces[0] if pieces else ("text", "")
        if first != ("variable", "path") and not (
            first[0] == "text" and first[1].startswith("/")
        ):
            raise ValueError("path: does not begin with a slash")
        for kind, text in pieces:
            if kind == "text":
                check_path_text(text, "path")

    cdef Reason rewrite(self, Exchange x, Span* out) noexcept:
        """The path for the upstream in `out`, or why the request can't be forwarded."""
        cdef NormalPath normal
        cdef char* scratch
        cdef Reason why
        if self.template is not None:
            why = self.fill(x, out)
        else:
            why = self.substitute(x, out)
        if why != REASON_NONE:
            return why
        scratch = <char*>arena_alloc(&x.arena, out.n + 1)
        if scratch == NULL:
            return REASON_MEMORY
        if out.n == 0 or out.p[0] != 47:
            return REASON_BAD_PATH
        normal = normalise_path(out[0], scratch)
        if normal.used & ~x.route.allow:
            return REASON_BAD_PATH
        out[0] = normal.path
        return REASON_NONE

    cdef Reason fill(self, Exchange x, Span* out) noexcept:
        """The template's text for `x`."""
        cdef char scratch[MAX_PARTS][SCRATCH_BYTES]
        cdef Span values[MAX_PARTS]
        cdef size_t room = 0
        cdef char* at
        cdef int i, kind
        for i in range(self.template.n):
            values[i] = part_value(x, &self.template.parts[i], scratch[i])
            room += 3 * values[i].n
        at = <char*>arena_alloc(&x.arena, room + 1)
        if at == NULL:
            return REASON_MEMORY
        out.p = at
        for i in range(self.template.n):
            kind = self.template.parts[i].kind
            if kind in (PART_TEXT, PART_PARAMETER, PART_PATH):
                if values[i].n:
                    memcpy(at, values[i].p, values[i].n)
                at += values[i].n
            else:
                at = _put_escaped(at, values[i])
        out.n = at - out.p
        return REASON_NONE

    cdef Reason substitute(self, Exchange x, Span* out) noexcept:
        """The path with the pattern's first find replaced; as it is without a find."""
        cdef Part parts[MAX_GROUPS + 1]
        cdef Span path = x.request.path
        cdef const char* end = path.p + path.n
        cdef size_t room = path.n
        cdef char* at
        out[0] = path
        if not re_find(self.pattern.re, path, False, parts, self.pattern.groups + 1):
            return REASON_NONE
        for piece in self.pieces:
            room += len(<bytes>piece) if isinstance(piece, bytes) else parts[<int>piece].n
        at = <char*>arena_alloc(&x.arena, room + 1)
        if at == NULL:
            return REASON_MEMORY
        out.p = at
        at = _put(at, path.p, parts[0].p - path.p)
        for piece in self.pieces:
            if isinstance(piece, bytes):
                at = _put(at, <const char*>(<bytes>piece), len(<bytes>piece))
            else:
                at = _put(at, parts[<int>piece].p, parts[<int>piece].n)
        at = _put(at, parts[0].p + parts[0].n, end - parts[0].p - parts[0].n)
        out.n = at - out.p
        return REASON_NONE


cdef char* _put(char* at, const char* p, size_t n) noexcept:
    """Append bytes."""
    if n:
        memcpy(at, p, n)
    return at + n


cdef char* _put_escaped(char* at, Span value) noexcept:
    """Append a value that is no part of a path: what is not unreserved is escaped, but for
    what is an escape already."""
    cdef size_t i
    cdef uint8_t c
    for i in range(value.n):
        c = <uint8_t>value.p[i]
        if is_class(c, UNRESERVED) or (
            c == 37 and i + 2 < value.n
            and hex_value(value.p[i + 1]) >= 0 and hex_value(value.p[i + 2]) >= 0
        ):
            at[0] = <char>c
            at += 1
        else:
            at[0], at[1], at[2] = 37, _HEX[c >> 4], _HEX[c & 15]
            at += 3
    return at
