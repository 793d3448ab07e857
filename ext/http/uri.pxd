"""The path rule: one normalisation, and the same bytes matched, authorised, logged, forwarded.

Done once (RFC 3986 section 6.2.2): escapes of unreserved bytes are decoded, the others get
upper-case digits, dot segments are resolved (never above the root), `//` is kept. What two
hops are known to read differently sets a bit of PathAllow (route/plan.pxd) and stays as it
is; it is refused unless the route opens it by name. Applied to its own result the rule
changes nothing, and sets no bit that was not set before.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint32_t
from fastgw.ext.base.span cimport Span


cdef struct NormalPath:
    Span path                   # in the input when nothing but its end changes, else in `out`
    uint32_t used               # PathAllow bits that it relies on
    bint moved                  # `path` is in `out`


# `path` begins with '/'. `out` must hold `path.n` bytes.
cdef NormalPath normalise_path(Span path, char* out) noexcept nogil
