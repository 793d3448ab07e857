"""What a right configuration becomes."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import pytest

from fastgw.config.build import CommandLine, build
from fastgw.config.policy_models import PolicyKinds, Stage
from fastgw.config.reader import read_text
from fastgw.config.stages import STAGE_OF, STAGES
from fastgw.plan import Limits, Listener, Match, PlanModel, Rewrite, Route, Timeouts
from fastgw.plan.model import DEFAULT_MEMORY, MiB

V4, V6 = int(socket.AF_INET), int(socket.AF_INET6)


def resolver(host: str) -> list[tuple[int, str]]:
    """Two addresses for everything."""
    assert host.endswith(".test")
    return [(V4, "192.0.2.1"), (V6, "2001:db8::1")]


def model(text: str, command_line: CommandLine | None = None) -> PlanModel:
    """The model of a configuration, which must be right."""
    return build(
        read_text("g.yaml", "version: 1\n" + text), command_line or CommandLine(), resolver
    )


def only(text: str) -> Route:
    """The only route of a configuration."""
    (route,) = model(text).routes
    return route


def match(text: str) -> tuple[Match, ...]:
    """What a `match` takes."""
    return only(f"routes: {{r: {{match: {text}, respond: 404}}}}").matches


def chain(text: str) -> list[tuple[str, str]]:
    """Kind and name of the policies of the only route, in order."""
    return [(s.policy.kind, s.policy.name) for s in only(text).steps]


# -- matches -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "host", "path", "prefix"),
    [
        ("/", "", "/", False),
        ("/*", "", "", True),
        ("/a", "", "/a", False),
        ("/a/*", "", "/a", True),
        ("/a/", "", "/a/", False),
        ("a.b/c/*", "a.b", "/c", True),
        ("A.B./C", "a.b", "/C", False),
        ("'*/c'", "", "/c", False),
        ("'*.a.b/*'", "*.a.b", "", True),
        ("'[::1]/x'", "[::1]", "/x", False),
        ("10.0.0.1/x", "10.0.0.1", "/x", False),
        ("/%7Ea%c3%a4", "", "/~a%C3%A4", False),
        ("/a//b", "", "/a//b", False),
        ("/a;v=1", "", "/a;v=1", False),
    ],
)
def test_short_matches(text: str, host: str, path: str, prefix: bool) -> None:
    assert match(text) == (Match(path, prefix, host),)


def test_long_matches_are_every_combination() -> None:
    assert match("{host: [a, b], path: [/x, /y/*], method: [GET, POST]}") == tuple(
        Match(path, prefix, host, frozenset({"GET", "POST"}))
        for host in "ab"
        for path, prefix in (("/x", False), ("/y", True))
    )
    assert match("{host: a}") == (Match("", True, "a"),)
    assert match("{method: PUT}") == (Match("", True, "", frozenset({"PUT"})),)


def test_routes_that_differ_are_not_duplicates() -> None:
    assert (
        len(
            model(
                "routes:\n"
                "  a: {match: /x, respond: 404}\n  b: {match: '/x/*', respond: 404}\n"
                "  c: {match: h/x, respond: 404}\n"
                "  d: {match: {path: /x, method: GET}, respond: 404}\n"
                "  e: {match: {path: /x, method: [PUT, HEAD]}, respond: 404}\n"
            ).routes
        )
        == 5
    )


def test_an_escape_that_the_route_opens_may_be_in_its_path() -> None:
    route = only("routes: {r: {match: /a%2fb, allow_path: encoded_slash, respond: 404}}")
    assert route.matches == (Match("/a%2Fb", False),)
    assert route.allow == {"encoded_slash"}


def test_rewrites() -> None:
    route = only(
        "routes: {r: {match: '/a/b/*', respond: 404, rewrite: {strip_prefix: /a, prefix: /v1}}}"
    )
    assert route.rewrite == Rewrite("/a", "/v1")
    slash = only("routes: {r: {match: /a, respond: 404, rewrite: {strip_prefix: /, prefix: /v}}}")
    assert slash.rewrite == Rewrite("", "/v")


# -- upstreams -----------------------------------------------------------------------------


def test_an_upstreams_options_are_those_agreed_on() -> None:
    route = only(
        "upstreams:\n  orders:\n"
        "    servers: [{url: 'http://Orders.test:8080', weight: 3}, 'http://[::1]', "
        "'unix:/run/a.sock']\n"
        "    host: Inner.test\n    timeouts: {connect: 1s, idle: none}\n"
        "    pool: {idle: 5, idle_timeout: 10s, requests: 100}\n"
        "routes: {r: {match: /a, upstream: orders}}\n"
    )
    assert (route.target.kind, route.target.name) == ("http", "orders")
    assert route.target.options == {
        "name": "orders",
        "servers": [
            {
                "url": "http://orders.test:8080",
                "host": "orders.test",
                "port": 8080,
                "unix": "",
                "weight": 3,
                "addresses": [[V4, "192.0.2.1", 8080], [V6, "2001:db8::1", 8080]],
                "named": True,
            },
            {
                "url": "http://[::1]:80",
                "host": "::1",
                "port": 80,
                "unix": "",
                "weight": 1,
                "addresses": [[V6, "::1", 80]],
            },
            {
                "url": "unix:/run/a.sock",
                "host": "localhost",
                "port": 0,
                "unix": "/run/a.sock",
                "weight": 1,
                "addresses": [],
            },
        ],
        "balance": "round_robin",
        "host": "=Inner.test",
        "timeouts": {"connect": 1000, "response_head": 30_000, "idle": 0},
        "pool": {"idle": 5, "idle_ms": 10_000, "requests": 100},
        "max_tries": 3,
    }


def test_routes_without_an_upstream_have_the_target_none() -> None:
    target = only("routes: {r: {match: /a, respond: 404}}").target
    assert (target.kind, target.options) == ("none", {})


def test_a_lone_url_is_named_by_its_address_and_shared_anything_else_by_its_route() -> None:
    names = [
        route.target.name
        for route in model(
            "routes:\n"
            "  a: {match: /a, upstream: 'http://10.0.0.1:81'}\n"
            "  b: {match: /b, upstream: ['http://10.0.0.1:81/']}\n"
            "  c: {match: /c, upstream: ['http://10.0.0.1', 'http://10.0.0.2']}\n"
            "  d: {match: /d, upstream: {servers: 'http://10.0.0.1:81', host: upstream}}\n"
        ).routes
    ]
    assert names == ["10.0.0.1:81", "10.0.0.1:81", "c", "d"]


# -- scopes --------------------------------------------------------------------------------


def test_later_scopes_win_key_by_key() -> None:
    text = (
        "defaults: {timeouts: {connect: 1s, idle: 2s, request: 3s, request_head: 4s},"
        " limits: {body: 1KiB, head: 4KiB}, on_client_eof: finish}\n"
        "upstreams: {u: {servers: 'http://10.0.0.1', timeouts: {idle: 5s, connect: 6s}}}\n"
        "routes:\n  a: {match: /a, upstream: u, timeouts: {connect: 7s, linger: 8s},"
        " limits: {body: none}, on_client_eof: cancel}\n  b: {match: /b, respond: 404}\n"
    )
    whole = model(text, CommandLine(timeouts={"request": "9s"}, limits={"requests": 5}))
    a, b = whole.routes
    assert a.timeouts == Timeouts(
        request_head=4000, connect=7000, idle=5000, request=9000, linger=8000
    )
    assert b.timeouts == Timeouts(request_head=4000, connect=1000, idle=2000, request=9000)
    assert a.target.options["timeouts"] == {"connect": 6000, "response_head": 30_000, "idle": 5000}
    assert (a.body_limit, b.body_limit) == (0, 1024)
    assert (a.on_client_eof, b.on_client_eof) == ("cancel", "finish")
    assert whole.limits == Limits(head=4096, body=1024, requests=5)
    assert whole.timeouts == replace(b.timeouts)


def test_what_holds_when_nothing_is_said() -> None:
    whole = model("routes: {r: {match: /, respond: 404}}")
    assert whole.limits == Limits(32 * 1024, 8 * 1024, 100, 10_000, 10 * MiB)
    assert whole.timeouts == Timeouts(10_000, 30_000, 2000, 30_000, 60_000, 30_000, 75_000, 2000)
    assert whole.memory == DEFAULT_MEMORY
    assert whole.listeners == (Listener("http", "127.0.0.1:8080"),)
    assert whole.trusted_proxies == ()
    assert whole.routes[0].on_client_eof == "cancel"
    assert whole.routes[0].body_limit == 10 * MiB


# -- policies ------------------------------------------------------------------------------


def test_every_kind_has_a_stage_and_plugins_know_every_stage() -> None:
    # Health is a route's alone, and no policy that other scopes may say.
    assert set(STAGE_OF) == {*PolicyKinds.model_fields, "health"}
    assert set(STAGE_OF.values()) <= set(STAGES)
    assert STAGES == ("ingress", "identity", "access", "limit", "cache", "shape", "balance")
    assert Stage.__args__ == STAGES  # type: ignore[attr-defined]


def test_stages_order_policies_whatever_the_order_of_the_file() -> None:
    assert chain(
        "routes: {r: {match: /, respond: 404, headers: {request: {remove: [a]}},"
        " plugin: 'a:B', ip: {deny: [10.0.0.1]}}}"
    ) == [
        ("ip", "routes.r"),
        ("plugin", "routes.r"),
        ("headers", "routes.r"),
        ("respond", "routes.r"),
    ]


def test_a_plugin_may_say_its_stage() -> None:
    assert [
        kind
        for kind, _ in chain(
            "routes: {r: {match: /, respond: 404, ip: {deny: [10.0.0.1]},"
            " plugin: {class: 'a:B', stage: shape}, headers: {request: {remove: [a]}}}}"
        )
    ] == ["ip", "plugin", "headers", "respond"]
    assert [
        kind
        for kind, _ in chain(
            "routes: {r: {match: /, respond: 404, headers: {request: {remove: [a]}},"
            " plugin: {class: 'a:B', stage: balance}}}"
        )
    ] == ["headers", "respond", "plugin"]


LISTS = (
    "policies: {p: {headers: {request: {remove: [p]}}}}\n"
    "defaults: {headers: {request: {remove: [d]}}, policies: [p]}\n"
)


def test_outer_scopes_go_first_then_the_order_of_the_file() -> None:
    assert chain(
        LISTS + "routes: {r: {match: /, respond: 404, policies+: [{headers: {request: {remove:"
        " [x]}}}, p]}}"
    ) == [
        ("headers", "defaults"),
        ("headers", "policies.p"),
        ("headers", "routes.r.policies+.0"),
        ("headers", "policies.p"),
        ("respond", "routes.r"),
    ]


def test_a_key_replaces_its_like_and_a_list_the_list() -> None:
    assert chain(
        LISTS + "routes: {r: {match: /, respond: 404, headers: {request: {remove: [r]}}}}"
    ) == [("headers", "policies.p"), ("headers", "routes.r"), ("respond", "routes.r")]
    assert chain(LISTS + "routes: {r: {match: /, respond: 404, policies: []}}") == [
        ("headers", "defaults"),
        ("respond", "routes.r"),
    ]


def test_mode_failure_and_timeout_belong_to_the_step() -> None:
    (step, _) = only(
        "routes: {r: {match: /, respond: 404, plugin: {class: 'a.b:C', options: {n: 1},"
        " mode: shadow, on_failure: pass, timeout: 250ms}}}"
    ).steps
    assert (step.mode, step.on_failure, step.timeout_ms) == ("shadow", "pass", 250)
    assert step.policy.options == {"class": "a.b:C", "options": {"n": 1}}


@pytest.mark.parametrize(
    ("text", "kind", "options"),
    [
        ("respond: 404", "respond", {"status": 404, "body": "", "headers": {}}),
        (
            "respond: {status: 200, body: hi, headers: {a: b}}",
            "respond",
            {"status": 200, "body": "hi", "headers": {"a": "b"}},
        ),
        ("redirect: https://x/", "redirect", {"to": "https://x/", "status": 302}),
        ("redirect: {to: /y, status: 308}", "redirect", {"to": "/y", "status": 308}),
        ("plugin: a:B", "plugin", {"class": "a:B", "options": {}}),
        ("respond: 404, ip: {allow: [10.0.0.0/8]}", "ip", {"allow": ["10.0.0.0/8"], "deny": []}),
        (
            "respond: 404, headers: {request: {set: {a: b}, remove: [c]}, response: {add: {d: e}}}",
            "headers",
            {
                "request": {"set": {"a": "b"}, "add": {}, "remove": ["c"]},
                "response": {"set": {}, "add": {"d": ["e"]}, "remove": []},
            },
        ),
        (
            "respond: 404, headers: {response: {add: {d: [e, f]}}}",
            "headers",
            {
                "request": {"set": {}, "add": {}, "remove": []},
                "response": {"set": {}, "add": {"d": ["e", "f"]}, "remove": []},
            },
        ),
    ],
)
def test_a_policys_options_are_those_agreed_on(
    text: str, kind: str, options: dict[str, Any]
) -> None:
    step = only(f"routes: {{r: {{match: /, {text}}}}}").steps[0]
    assert (step.policy.kind, step.policy.options) == (kind, options)


# -- listeners and the command line ----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("':80'", ":80"),
        ("'*:80'", ":80"),
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("'[::1]:80'", "[::1]:80"),
        ("unix:/run/x", "unix:/run/x"),
        ("{addr: ':1'}", ":1"),
    ],
)
def test_listeners(text: str, address: str) -> None:
    whole = model(f"listen: {{a: {text}}}\nroutes: {{r: {{match: /, respond: 404}}}}")
    assert whole.listeners == (Listener("a", address),)


def test_the_command_lines_listeners_replace_the_files() -> None:
    whole = model(
        "listen: {a: ':80'}\nroutes: {r: {match: /, respond: 404}}",
        CommandLine(listen=(":81", "unix:/x")),
    )
    assert whole.listeners == (Listener("cli-1", ":81"), Listener("cli-2", "unix:/x"))


def test_no_file_is_needed_before_one_upstream() -> None:
    whole = build(
        None,
        CommandLine(
            to=("http://a.test:1", "http://b.test:2"),
            limits={"body": "none"},
            trusted_proxies=("10.0.0.0/8",),
            number=7,
        ),
        resolver,
    )
    (route,) = whole.routes
    assert (route.name, route.matches, route.target.name) == ("all", (Match(),), "all")
    assert (route.body_limit, whole.trusted_proxies, whole.number) == (0, ("10.0.0.0/8",), 7)
