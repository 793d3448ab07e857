"""What a plan is built from: the configuration after every default and reference.

Whoever reads configurations fills these; `build_plan` lowers them to bytes. Patterns and
precedence are explained in docs/routing.md. Checks that need only a pattern's text are
functions of `fastgw.plan.patterns`; two routes that can't be told apart are found by
`fastgw.plan.ties.find_ties`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Mode = Literal["enforce", "shadow", "off"]
KiB, MiB = 1024, 1024 * 1024
DEFAULT_MEMORY = 256 * MiB


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Milliseconds; 0 = no limit. What starts and stops each: ext/route/plan.pxd."""

    request_head: int = 10_000
    body_idle: int = 30_000
    connect: int = 2_000
    response_head: int = 30_000
    idle: int = 60_000
    request: int = 30_000
    keepalive: int = 75_000
    linger: int = 2_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the listeners: sizes in bytes; `requests` and `body` may be 0 = no limit."""

    head: int = 32 * KiB
    target: int = 8 * KiB
    fields: int = 100
    requests: int = 10_000
    body: int = 10 * MiB


@dataclass(frozen=True, slots=True)
class Listener:
    """An address that clients connect to: 127.0.0.1:80, :80, [::1]:80, unix:/path.

    `route` names a route that takes every request of this listener, whatever others match
    (`listen: {redirect: https}`); such a route may be without matches."""

    name: str
    address: str
    options: Mapping[str, Any] = field(default_factory=dict)
    route: str = ""


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """A policy or target to be made by the builder of its kind. Name and kind are its
    identity; equal kind, name, options and timeout are one object, kept over reloads."""

    kind: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """A policy in a route's chain."""

    policy: ObjectSpec
    mode: Mode = "enforce"
    on_failure: Literal["reject", "pass"] = "reject"
    timeout_ms: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """A header, query parameter or cookie that a request must have: any of its values may
    fit. `exact` compares bytes, `regex` (RE2) must fit the whole value. Names of headers
    ignore case; those of query parameters and cookies don't, and the values of parameters
    are compared after decoding."""

    kind: Literal["header", "query", "cookie"]
    name: str
    test: Literal["present", "exact", "regex"] = "present"
    value: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """Requests that a route takes: those that fit everything that is said here.

    `host`: exact, `*.suffix` or "" for every host; in lower case.
    `path`: normalised as the path rule leaves it.
        "/orders" with `prefix` also takes what is below it; "" with `prefix` takes everything.
        A segment `{name}` takes any one that is not empty; a last segment `{name...}` takes
        the rest, perhaps empty, after the slash before it; it needs `prefix=False`.
        With `regex` it is an RE2 pattern that the whole path must fit; `(?P<name>...)`
        gives a parameter. Parameters are `{path.name}` in templates.
    `methods`: empty = every method; GET takes HEAD too.
    `clients`: networks, one of which holds the client's address; empty = anyone.
    `listeners`: names of listeners; empty = every listener.
    `server_names`: the TLS server name (SNI) is one of them, each exact or `*.suffix`;
        empty = any or none."""

    path: str = ""
    prefix: bool = True
    host: str = ""
    methods: frozenset[str] = frozenset()
    regex: bool = False
    conditions: tuple[Condition, ...] = ()
    clients: tuple[str, ...] = ()
    listeners: frozenset[str] = frozenset()
    server_names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What the upstream gets as path and host. At most one of `strip`/`prefix`, `path` and
    `regex` is given; `OPTIONS *` is never rewritten. The result of `path` and `regex` goes
    through the path rule again.

    `strip` is taken off the path's front, `prefix` put there instead; every path of the
        route begins with `strip`. Neither ends in a slash.
    `path` is a template for the whole path, `/v2/{path.id}`; the query stays.
    `regex` (RE2): its first find in the path is replaced by `substitution`, in which `\\1`
        to `\\9` are groups and `\\0` is all of it.
    `host`: "" = as the upstream says, `keep`, `upstream` (the endpoint's), or `=name`.
    `map_back`: with `strip` or `prefix`, Location, Content-Location, Refresh and the Path
        and Domain of cookies are turned back into what the client knows.
    `forwarded_prefix`: with `strip`, X-Forwarded-Prefix says what was taken off."""

    strip: str = ""
    prefix: str = ""
    path: str = ""
    regex: str = ""
    substitution: str = ""
    host: str = ""
    map_back: bool = True
    forwarded_prefix: bool = True


@dataclass(frozen=True, slots=True)
class SplitPart:
    """A target of a split and its share, in any unit: shares are of their sum."""

    target: ObjectSpec
    weight: int


@dataclass(frozen=True, slots=True)
class Split:
    """Requests divided between targets by the hash of a key, in steps of 1/10,000.

    `key` is a template (`{client.ip}`, `{cookie.session}`, `{header.x-user}`); equal keys
    get the same target. Where it is empty for a request, that request is placed at random.
    A target of which no endpoint is available hands its share to the others."""

    name: str
    parts: tuple[SplitPart, ...]
    key: str = "{client.ip}"


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """An answer in place of the gateway's own error document. It fits when the status is in
    `statuses` (empty = every one of 400 and above) and the reason in `reasons` (empty =
    every reason); the first that fits is used. `body` is a template; values are escaped as
    `content_type` (HTML, JSON, XML) asks. `status` 0 = as it is."""

    body: str
    statuses: frozenset[int] = frozenset()
    reasons: frozenset[str] = frozenset()
    content_type: str = "text/html; charset=utf-8"
    status: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """Where matching requests go, through which policies.

    `target`: an object of kind `http` (forward), a `Split`, or of kind `none` for routes
    whose policies answer (`respond`, `redirect`). `priority` decides between routes that
    take a request with the same host, path and number of matchers; the higher wins.
    `replace_upstream`: statuses of the upstream that get an error page, too.
    `head_limit`, `target_limit`, `fields_limit`: bytes of the request's head and target, and
    its field lines; they hold beside those of the listener, by which a head is read before
    its route is known. 0 = the listener's."""

    name: str
    matches: tuple[Match, ...]
    target: ObjectSpec | Split
    steps: tuple[Step, ...] = ()
    rewrite: Rewrite = Rewrite()
    allow: frozenset[str] = frozenset()
    timeouts: Timeouts = Timeouts()
    body_limit: int = 10 * MiB
    on_client_eof: Literal["cancel", "finish"] = "cancel"
    priority: int = 0
    error_pages: tuple[ErrorPage, ...] = ()
    replace_upstream: frozenset[int] = frozenset()
    head_limit: int = 0
    target_limit: int = 0
    fields_limit: int = 0


@dataclass(frozen=True, slots=True)
class PlanModel:
    """A whole generation. `error_pages` are for requests that have no route; a route has
    its own list. `node` is about the processes (ext/route/node.py)."""

    routes: tuple[Route, ...]
    listeners: tuple[Listener, ...] = ()
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    memory: int = DEFAULT_MEMORY
    trusted_proxies: tuple[str, ...] = ()
    error_html: bool = True
    number: int = 1
    error_pages: tuple[ErrorPage, ...] = ()
    node: Mapping[str, Any] = field(default_factory=dict)
