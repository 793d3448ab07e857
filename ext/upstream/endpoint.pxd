"""Endpoints from the plan's options: one for each address of each server."""

from fastgw.ext.upstream.contract cimport Endpoint


cdef Endpoint new_endpoint(dict server, list address, dict pool, object tls=*)
