"""A configured server, and the endpoints that its addresses make.

Addresses of a name may change while requests are under way: an endpoint whose address stays
is kept, with its connections and what is known of its health; one whose address is gone gets
no more requests, and its connections end with those that they carry.
"""

from fastgw.ext.upstream.contract cimport AttemptTally, Endpoint
from fastgw.ext.upstream.pool cimport IdleRoom


cdef class Server:
    cdef readonly str host            # as configured
    cdef readonly bint named          # `host` is a name, whose addresses are told
    cdef readonly list endpoints      # one for each address, in the order they were told
    cdef dict options                 # the plan's map for it
    cdef dict pool                    # the plan's map for idle connections
    cdef IdleRoom room                # for those of the whole worker
    cdef object tls                   # how TLS to it is begun; None: plain
    cdef list told                    # [family, text] that `endpoints` were made of
    cdef AttemptTally tally           # who counts its attempts; None: nobody

    cdef bytes url(self)
    cdef bint readdress(self, list addresses) except -1
    cdef void count_in(self, AttemptTally tally)
