"""Lists of tokens with parameters: Connection, Transfer-Encoding, TE (RFC 9110 section 5.6)."""

from fastgw.ext.base.span cimport Span


cdef enum ListResult:
    LIST_ITEM                   # `item` is filled
    LIST_END                    # nothing is left
    LIST_BAD                    # not a token where one must be, or broken parameters


cdef struct ListItem:
    Span name                   # the token
    bint empty                  # nothing between two commas: allowed, without meaning
    bint has_parameters         # ';' follows the token


# The next element of a list; `rest` moves past it and its comma.
cdef ListResult next_item(Span* rest, ListItem* item) noexcept nogil
