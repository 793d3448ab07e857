"""The target of routes that only have policies: nothing is forwarded, it is never opened.

A route whose policies let a request pass has nothing to answer it with: 500 `internal` would
blame the gateway, so that is 503 `no_endpoint`."""

cimport cython
from fastgw.ext.exchange.contract cimport (
    MODE_STREAM, RETRY_NEVER, Attempt, Exchange, Target,
)
from fastgw.ext.upstream.endpoint_attempt cimport HOST_KEEP
from fastgw.ext.upstream.h1_attempt cimport new_attempt


@cython.final
cdef class NoneTarget(Target):
    """A target without endpoints."""

    def __init__(self, name: str, options: dict) -> None:
        self.name = name
        self.body_mode = MODE_STREAM
        self.retry_rule = RETRY_NEVER
        self.max_tries = 1

    cdef Attempt open(self, Exchange x):
        """An attempt that fails."""
        return new_attempt(x, None, HOST_KEEP, b"")
