"""Response heads, held to the same rules as requests (RFC 9112 section 4).

Returns as `parse_request` does, with reasons of the upstream's side. There is no scratch to
give: nothing in a response is rewritten.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t
from fastgw.ext.http.head cimport Field, MethodId, ResponseHead
from fastgw.ext.route.plan cimport Limits


# `method`: of the request that it answers. Framing is BODY_NONE for answers to HEAD, 1xx, 204
# and 304, of which those to HEAD and 304 may have H_ANNOUNCED; 101 is the caller's to handle.
# HEAD_SPACE (request.pxd): `cap` rows were too few; `limits.fields` rows always do.
cdef int64_t parse_response(const char* p, size_t n, size_t* searched, const Limits* limits,
                            Field* rows, uint32_t cap, MethodId method,
                            ResponseHead* head) noexcept nogil
