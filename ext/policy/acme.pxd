"""Answers to an authority's challenges (RFC 8555 section 8.3), on a listener that redirects.

Whoever orders certificates puts a file into a folder; its name is the token that the authority
asks for. A name is looked at before the folder is: letters, digits, `-` and `_` alone.
"""

from libc.stddef cimport size_t
from fastgw.ext.exchange.contract cimport Policy


cdef class AcmePolicy(Policy):
    """GET /.well-known/acme-challenge/TOKEN is the folder's file TOKEN, or 404; everything else
    goes on."""
    cdef readonly str folder

    cdef bytes content(self, const char* token, size_t n)
