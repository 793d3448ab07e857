"""Endpoints from the plan's options: one for each address of each server."""

from fastgw.ext.upstream.contract cimport Endpoint
from fastgw.ext.upstream.pool cimport IdleRoom


cdef Endpoint new_endpoint(dict server, list address, dict pool, object tls, IdleRoom room)
