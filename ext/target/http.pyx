"""The target that forwards to an upstream; see http.pxd."""

cimport cython
from fastgw.ext.exchange.contract cimport MODE_STREAM, RETRY_SAFE, Attempt, Exchange
from fastgw.ext.io.tls.client import TlsClient
from fastgw.ext.upstream.contract cimport Endpoint
from fastgw.ext.upstream.endpoint cimport new_endpoint
from fastgw.ext.upstream.endpoint_attempt cimport HOST_FIXED, HOST_KEEP, HOST_UPSTREAM, HostMode
from fastgw.ext.upstream.h1_attempt cimport new_attempt
from fastgw.ext.upstream.round_robin cimport RoundRobin

def tls_client(server: dict, options: dict, files: object, log: object) -> TlsClient | None:
    """How TLS to a server is begun; None: it is spoken to in plain text."""
    if not server.get("tls"):
        return None
    literal = bool(server.get("literal"))
    return TlsClient(options["tls"], files, server["host"], literal, server["url"], log)


#: Balancers by their name in the plan.
BALANCERS = {"round_robin": RoundRobin}


@cython.final
cdef class HttpTarget(Target):
    """See http.pxd. `options` is the plan's map for an upstream; `files` maps the digests in its
    `tls` to bytes."""

    def __init__(self, name: str, options: dict, files: object = None, log=None) -> None:
        endpoints = []
        pool = options.get("pool", {})
        self.send_proxy = options.get("send_proxy", 0)
        settings = (options.get("tls") or {}).get("settings", {})
        self.unverified = settings.get("insecure_skip_verify", False)
        for server in options["servers"]:
            server = server | {"send_proxy": self.send_proxy}
            tls = tls_client(server, options, files, log)
            for address in server["addresses"] or [[]]:
                endpoints.append(new_endpoint(server, address, pool, tls))
        self.name = name
        self.body_mode = MODE_STREAM
        self.retry_rule = RETRY_SAFE
        self.max_tries = options.get("max_tries", 3)
        self.balancer = BALANCERS[options.get("balance", "round_robin")](endpoints)
        self.set_host(options.get("host", "keep"))

    def set_host(self, mode: str) -> None:
        """`keep`, `upstream`, or `=NAME`."""
        if mode == "keep":
            self.host_mode = HOST_KEEP
        elif mode == "upstream":
            self.host_mode = HOST_UPSTREAM
        else:
            self.host_mode = HOST_FIXED
            self.host_text = mode[1:].encode("ascii")

    def endpoints(self) -> list:
        """Every endpoint, in the order of the configuration."""
        return list(self.balancer.endpoints)

    def connections(self) -> tuple:
        """How many wait for a request, and how many carry one or are being made."""
        cdef Endpoint e
        idle = busy = 0
        for e in self.balancer.endpoints:
            idle += e.pool.idle
            busy += e.pool.busy
        return idle, busy

    def trim(self) -> None:
        """Close the idle connections of every endpoint."""
        cdef Endpoint e
        for e in self.balancer.endpoints:
            e.pool.trim()

    cdef bint available(self, Exchange x) noexcept:
        """Whether an endpoint is left that is not passed over."""
        cdef Endpoint e
        for e in self.balancer.endpoints:
            if e.passed_over_until_ms <= x.engine.now_ms and (
                x.tried is None or e not in x.tried
            ):
                return True
        return False

    cdef Attempt open(self, Exchange x):
        """An attempt at the endpoint whose turn it is."""
        cdef Endpoint e = self.balancer.pick(x, x.tried, x.engine.now_ms)
        return new_attempt(x, e, <HostMode>self.host_mode, self.host_text)
