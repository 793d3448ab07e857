"""Header edits on the way in and on the way out (docs/policies/headers.md)."""

from fastgw.ext.base.span cimport Span
from fastgw.ext.exchange.contract cimport Exchange, Policy, Verdict
from fastgw.ext.http.head cimport Fields
from fastgw.ext.policy.field cimport FieldName
from fastgw.ext.policy.template cimport Template


cdef enum EditKind:
    EDIT_REMOVE                 # every row of the name
    EDIT_SET                    # one value in place of all there are
    EDIT_ADD                    # one more value


cdef class Edit:
    """One change of one header."""
    cdef readonly EditKind kind
    cdef readonly FieldName name
    cdef readonly Template template   # None with EDIT_REMOVE


cdef class HeadersPolicy(Policy):
    """Edits in the order remove, set, add; values are rendered before any of them."""
    cdef readonly tuple request       # of Edit
    cdef readonly tuple response

    cdef Verdict apply(self, Exchange x, tuple edits, Fields* fields) except *
