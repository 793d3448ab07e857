"""Who the client is; see client_address.pxd."""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, memset
from fastgw.ext.base.arena cimport arena_alloc
from fastgw.ext.base.networks cimport Networks
from fastgw.ext.base.span cimport Span, lower, span
from fastgw.ext.http.head cimport Field, Fields, fields_find, fields_find_name, fields_next
from fastgw.ext.http.names cimport (
    NAME_FORWARDED, NAME_OTHER, NAME_X_FORWARDED_FOR, name_id,
)
from fastgw.ext.io.address cimport address_of
from fastgw.ext.io.stream cimport Address, Facts
from fastgw.ext.route.snapshot cimport Snapshot

cdef enum:
    HOPS = 32                   # elements of one Forwarded field that are looked at
    F_SKIPPED = 7               # F_HIDDEN | F_REMOVAL | F_HOP

cdef extern from "<sys/socket.h>" nogil:
    enum:
        AF_INET, AF_INET6
cdef extern from "<arpa/inet.h>" nogil:
    int inet_pton(int family, const char* text, void* ip)


cdef class ClientField:
    """See client_address.pxd."""

    def __init__(self, name: str) -> None:
        self.lowered = name.lower().encode("ascii")
        self.id = name_id(<const char*>self.lowered, len(self.lowered))
        if self.id == NAME_X_FORWARDED_FOR:
            self.source = FROM_X_FORWARDED_FOR
        elif self.id == NAME_FORWARDED:
            self.source = FROM_FORWARDED
        else:
            self.source = FROM_FIELD


cdef ClientField client_field(Exchange x):
    """The rule of the listener that the request came by; None: the usual one."""
    cdef list fields = (<Snapshot>x.snapshot).client_fields
    if fields is None or x.facts == NULL or x.facts.listener >= <size_t>len(fields):
        return None
    return <ClientField>fields[x.facts.listener]


cdef void take_client(Exchange x) noexcept:
    """The peer is trusted: put the client it tells of in the peer's place."""
    cdef ClientField field = client_field(x)
    cdef ClientSource source = field.source if field is not None else FROM_LISTS
    cdef Fields* t = &x.request.fields
    cdef Address found
    cdef Facts* facts
    cdef bint any = False
    if source == FROM_LISTS:
        source = FROM_X_FORWARDED_FOR
        if fields_find(t, NAME_X_FORWARDED_FOR) == NULL:
            source = FROM_FORWARDED
    if source == FROM_X_FORWARDED_FOR:
        any = _walk(x, t, NAME_X_FORWARDED_FOR, &found)
    elif source == FROM_FORWARDED:
        any = _walk(x, t, NAME_FORWARDED, &found)
    else:
        any = _read_field(t, field, &found)
    if not any:
        return
    facts = <Facts*>arena_alloc(&x.arena, sizeof(Facts))
    if facts != NULL:
        facts[0] = x.facts[0]
        facts.client = found
        x.facts = facts


cdef bint _read_field(Fields* t, ClientField field, Address* found) noexcept:
    """The one address in the one field of that name."""
    cdef Field* f
    if field.id != NAME_OTHER:
        f = fields_find(t, field.id)
    else:
        f = fields_find_name(t, span(<const char*>field.lowered, len(field.lowered)))
    if f == NULL or fields_next(t, f) != NULL:
        return False
    return _read_address(span(f.value, f.value_n), found)


# -- lists of hops -------------------------------------------------------------------------

cdef bint _walk(Exchange x, Fields* t, NameId id, Address* found) noexcept:
    """From the last entry of the last field to the left; whether `found` was filled."""
    cdef Networks trusted = <Networks>(<Snapshot>x.snapshot).trusted
    cdef uint32_t i = t.n
    cdef bint any = False
    cdef bint more = True
    while i > 0 and more:
        i -= 1
        if t.rows[i].id == id and not t.rows[i].flags & F_SKIPPED:
            if id == NAME_FORWARDED:
                more = _walk_forwarded(&t.rows[i], trusted, found, &any)
            else:
                more = _walk_list(&t.rows[i], trusted, found, &any)
    return any


cdef bint _take(Span entry, Networks trusted, Address* found, bint* any) noexcept:
    """One entry; whether the walk goes on to the left of it."""
    cdef Address a
    if not _read_address(entry, &a):
        return False
    found[0] = a
    any[0] = True
    return trusted is not None and trusted.contains(a.ip)


cdef bint _walk_list(const Field* f, Networks trusted, Address* found, bint* any) noexcept:
    """X-Forwarded-For: addresses between commas; whether to go on with the field before."""
    cdef size_t end = f.value_n, begin
    while True:
        begin = end
        while begin > 0 and f.value[begin - 1] != 44:
            begin -= 1
        if not _take(_trim(span(f.value + begin, end - begin)), trusted, found, any):
            return False
        if begin == 0:
            return True
        end = begin - 1


cdef bint _walk_forwarded(const Field* f, Networks trusted, Address* found, bint* any) noexcept:
    """Forwarded (RFC 7239 section 4): elements between commas that are not quoted."""
    cdef Span hops[HOPS]
    cdef Span node
    cdef size_t at = 0, begin = 0, n = 0
    cdef bint quoted = False
    while at <= f.value_n:
        if at == f.value_n or (f.value[at] == 44 and not quoted):
            hops[n % HOPS] = span(f.value + begin, at - begin)
            n += 1
            begin = at + 1
        elif f.value[at] == 34:
            quoted = not quoted
        elif f.value[at] == 92 and quoted:
            at += 1
        at += 1
    if quoted or at > f.value_n + 1:
        return False
    for at in range(min(n, <size_t>HOPS)):
        node = _for_of(hops[(n - 1 - at) % HOPS])
        if not _take(node, trusted, found, any):
            return False
    return n <= HOPS


cdef Span _for_of(Span element) noexcept:
    """The value of `for` in an element, without quotes; empty: there is none."""
    cdef size_t at = 0, begin
    cdef bint quoted = False
    cdef Span pair
    while at < element.n:
        begin = at
        while at < element.n and (quoted or element.p[at] != 59):
            if element.p[at] == 34:
                quoted = not quoted
            at += 1
        pair = _trim(span(element.p + begin, at - begin))
        at += 1
        if pair.n > 4 and lower(pair.p[0]) == 102 and lower(pair.p[1]) == 111 and (
            lower(pair.p[2]) == 114 and pair.p[3] == 61
        ):
            pair = span(pair.p + 4, pair.n - 4)
            if pair.n >= 2 and pair.p[0] == 34 and pair.p[pair.n - 1] == 34:
                return span(pair.p + 1, pair.n - 2)
            return pair
    return span(NULL, 0)


# -- addresses -----------------------------------------------------------------------------

cdef Span _trim(Span s) noexcept:
    """Without white space at both ends."""
    while s.n and (s.p[0] == 32 or s.p[0] == 9):
        s = span(s.p + 1, s.n - 1)
    while s.n and (s.p[s.n - 1] == 32 or s.p[s.n - 1] == 9):
        s.n -= 1
    return s


cdef bint _read_address(Span s, Address* a) noexcept:
    """`1.2.3.4`, `1.2.3.4:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`; else False."""
    cdef char text[46]
    cdef uint8_t ip[16]
    cdef uint16_t port = 0
    cdef size_t i, n = s.n, colons = 0, colon = 0
    cdef int family = AF_INET6
    if s.n == 0:
        return False
    for i in range(s.n):
        if s.p[i] == 58:
            colons, colon = colons + 1, i
    if s.p[0] == 91:
        n = 1
        while n < s.n and s.p[n] != 93:
            n += 1
        if n == s.n or not _read_port(span(s.p + n + 1, s.n - n - 1), &port):
            return False
        s = span(s.p + 1, n - 1)
    elif colons < 2:
        family = AF_INET
        if colons:
            if not _read_port(span(s.p + colon, s.n - colon), &port):
                return False
            s.n = colon
    if s.n >= sizeof(text):
        return False
    memcpy(text, s.p, s.n)
    text[s.n] = 0
    memset(ip, 0, 16)
    ip[10] = ip[11] = 255
    if inet_pton(family, text, &ip[12 if family == AF_INET else 0]) != 1:
        return False
    address_of(a, <uint8_t>family, ip, port)
    return True


cdef bint _read_port(Span s, uint16_t* port) noexcept:
    """Nothing, or a colon and a number."""
    cdef uint32_t value = 0
    cdef size_t i
    if s.n == 0:
        return True
    if s.p[0] != 58 or not 2 <= s.n <= 6:
        return False
    for i in range(1, s.n):
        if not 48 <= s.p[i] <= 57:
            return False
        value = value * 10 + (s.p[i] - 48)
    port[0] = <uint16_t>value
    return value <= 65535
