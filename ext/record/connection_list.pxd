"""The client connections of a worker, a page at a time, for who wants to look at them."""

from fastgw.ext.downstream.h1_ends cimport H1Ends
from fastgw.ext.io.passthrough cimport Pass


cdef dict of_client(H1Ends d)
cdef dict of_pass(Pass p)
