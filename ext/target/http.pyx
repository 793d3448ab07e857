"""The target that forwards to an upstream; see http.pxd."""

cimport cython
from fastgw.ext.exchange.contract cimport MODE_STREAM, RETRY_SAFE, Attempt, Exchange
from fastgw.ext.base.reasons cimport REASON_UPSTREAM_UNRESOLVED
from fastgw.ext.io.tls.client import TlsClient
from fastgw.ext.upstream.contract cimport Endpoint
from fastgw.ext.upstream.endpoint_attempt cimport HOST_FIXED, HOST_KEEP, HOST_UPSTREAM, HostMode
from fastgw.ext.upstream.h1_attempt cimport H1Attempt, new_attempt
from fastgw.ext.upstream.pool cimport IdleRoom
from fastgw.ext.upstream.round_robin cimport RoundRobin
from fastgw.ext.upstream.servers cimport Server

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
    `tls` to bytes; `room` is shared by the targets of a worker."""

    def __init__(
        self, name: str, options: dict, IdleRoom room not None, files: object = None, log=None
    ) -> None:
        pool = options.get("pool", {})
        self.send_proxy = options.get("send_proxy", 0)
        settings = (options.get("tls") or {}).get("settings", {})
        self.unverified = settings.get("insecure_skip_verify", False)
        self.servers = [
            Server(
                server | {"send_proxy": self.send_proxy}, pool,
                tls_client(server, options, files, log), room,
            )
            for server in options["servers"]
        ]
        self.hosts = frozenset([s.host for s in self.servers if s.named])
        self.name = name
        self.body_mode = MODE_STREAM
        self.retry_rule = RETRY_SAFE
        self.max_tries = options.get("max_tries", 3)
        self.balance = BALANCERS[options.get("balance", "round_robin")]
        self.balancer = self.balance(self.endpoints())
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
        cdef Server server
        found = []
        for server in self.servers:
            found += server.endpoints
        return found

    def readdress(self, names: dict) -> bool:
        """Addresses of host names, {name: [[family, text], ...]}, from now on; whether they were
        news. A name that is missing there keeps what it had."""
        cdef Server server
        news = False
        for server in self.servers:
            if server.named and server.host in names:
                news |= server.readdress(names[server.host])
        if news:
            self.balancer = self.balance(self.endpoints())
        return news

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
        cdef H1Attempt a = new_attempt(x, e, <HostMode>self.host_mode, self.host_text)
        if e is None and self.hosts and not self.balancer.endpoints:
            a.none_left = REASON_UPSTREAM_UNRESOLVED
        return a
