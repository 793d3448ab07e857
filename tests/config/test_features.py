"""What groups, matchers, splits, rewrites, pages and listeners become in a plan's model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fastgw.config.build import CommandLine, build, build_file
from fastgw.config.problems import ConfigError
from fastgw.config.reader import read_text
from fastgw.config.server_urls import hosts_resolver
from fastgw.config.source import open_document
from fastgw.ext.policy.build import build_policy
from fastgw.plan import Match, PlanModel, Rewrite, Route, Timeouts
from fastgw.plan.model import Condition, ErrorPage, Split
from tests.scenario.client import Client
from tests.scenario.gateway import Gateway
from tests.tls.authority import Authority


def model(text: str) -> PlanModel:
    """The model of a configuration, which must be right."""
    return build(read_text("g.yaml", "version: 1\n" + text), CommandLine(), hosts_resolver)


def only(text: str) -> Route:
    """The only route of a configuration."""
    (route,) = model(text).routes
    return route


def match(text: str, more: str = "") -> Match:
    """The only match of a route."""
    (found,) = only(f"{more}routes: {{r: {{match: {text}, respond: 404}}}}").matches
    return found


# -- matchers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path", "prefix"),
    [
        ('"/a/{id}"', "/a/{id}", False),
        ('"/a/{id}/*"', "/a/{id}", True),
        ('"/a/{rest...}"', "/a/{rest...}", False),
        ('"/%7Ea/{id}/b%2a"', "/~a/{id}/b%2A", False),
        ('"/{A_1}"', "/{A_1}", False),
    ],
)
def test_paths_with_parameters(text: str, path: str, prefix: bool) -> None:
    assert match(text) == Match(path, prefix)


def test_a_path_may_be_a_regular_expression() -> None:
    assert match('{path: {regex: "/a/[0-9]+"}}') == Match("/a/[0-9]+", False, regex=True)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("headers: {X-A: b}", Condition("header", "X-A", "exact", "b")),
        ("headers: {X-A: {present: true}}", Condition("header", "X-A")),
        ("query: {q: {regex: 'a+'}}", Condition("query", "q", "regex", "a+")),
        ("cookies: {c: [a.b, c]}", Condition("cookie", "c", "regex", r"a\.b|c")),
        ("cookies: {c: {exact: [a]}}", Condition("cookie", "c", "exact", "a")),
    ],
)
def test_conditions(text: str, condition: Condition) -> None:
    assert match(f"{{path: /a, {text}}}") == Match("/a", False, conditions=(condition,))


def test_clients_listeners_and_names(tmp_path: Path) -> None:
    cert, key = Authority().issue("a.com").write(tmp_path, "a")
    assert match(
        "{path: /a, client: [10.0.0.0/8], listener: x, sni: [A.com, '*.b.com']}",
        f"listen: {{x: {{addr: ':1', tls: {{cert: {cert}, key: {key}}}}}, y: ':2'}}\n",
    ) == Match(
        "/a",
        False,
        clients=("10.0.0.0/8",),
        listeners=frozenset({"x"}),
        server_names=frozenset({"a.com", "*.b.com"}),
    )


# -- groups --------------------------------------------------------------------------------

GROUPS = """\
defaults: {timeout: 9s, limits: {body: 9KiB}}
upstreams:
  u: {servers: http://10.0.0.1, timeouts: {request: 8s, idle: 8s}, limits: {body: 8KiB}}
groups:
  g:
    match: {host: a.com, method: GET}
    upstream: u
    timeout: 7s
    host: inner
    rewrite: {prefix: /v1}
    allow_path: encoded_slash
    priority: 5
    on_client_eof: finish
"""


def test_a_route_has_what_its_group_says() -> None:
    route = only(GROUPS + "routes: {r: {match: /a, group: g}}")
    assert route.matches == (Match("/a", False, "a.com", frozenset({"GET"})),)
    assert route.target.name == "u"
    assert route.timeouts == Timeouts(request=7000, idle=8000)
    assert route.body_limit == 8192
    assert route.rewrite == Rewrite(prefix="/v1", host="=inner")
    assert (route.allow, route.priority, route.on_client_eof) == ({"encoded_slash"}, 5, "finish")


def test_a_route_goes_before_its_group() -> None:
    route = only(
        GROUPS + "routes: {r: {match: {host: b.com, path: /a, method: PUT}, group: g,"
        " upstream: 'http://10.0.0.2:81', timeouts: {request: 6s}, limits: {body: none},"
        " rewrite: {prefix: /v2}, host: keep, allow_path: [], priority: 0,"
        " on_client_eof: cancel}}"
    )
    assert route.matches == (Match("/a", False, "b.com", frozenset({"PUT"})),)
    assert route.target.name == "10.0.0.2:81"
    assert route.timeouts == Timeouts(request=6000)
    assert (route.body_limit, route.priority, route.allow) == (0, 0, frozenset())
    assert route.rewrite == Rewrite(prefix="/v2", host="keep")
    assert route.on_client_eof == "cancel"


def test_policies_of_four_scopes_are_one_chain() -> None:
    text = """\
defaults: {headers: {request: {remove: [d]}}, policies: [{ip: {deny: [10.0.0.1]}}]}
upstreams: {u: {servers: http://10.0.0.1, policies+: [{headers: {request: {remove: [u]}}}]}}
groups: {g: {headers: {request: {remove: [g]}}, policies+: [{headers: {response: {remove: [g]}}}]}}
routes: {r: {match: /a, group: g, upstream: u, policies+: [{ip: {deny: [10.0.0.2]}}]}}
"""
    assert [s.policy.name for s in only(text).steps] == [
        "defaults.policies.0",
        "routes.r.policies+.0",
        "upstreams.u.policies+.0",
        "groups.g",
        "groups.g.policies+.0",
    ]
    replaced = text.replace("policies+: [{ip", "policies: [{ip")
    assert [s.policy.name for s in only(replaced).steps] == ["routes.r.policies.0", "groups.g"]


# -- targets and rewrites --------------------------------------------------------------------


def test_a_split_has_shares() -> None:
    target = only(
        "upstreams: {a: http://10.0.0.1}\n"
        "routes: {r: {match: /a, split: {key: '{cookie.s}', to: [{upstream: a, weight: 9},"
        " {upstream: 'http://10.0.0.2'}, {upstream: [http://10.0.0.3, http://10.0.0.4]}]}}}"
    ).target
    assert isinstance(target, Split)
    assert (target.name, target.key) == ("r", "{cookie.s}")
    assert [(p.target.name, p.weight) for p in target.parts] == [
        ("a", 9),
        ("10.0.0.2:80", 1),
        ("r.2", 1),
    ]


def test_rewrites_by_template_and_expression() -> None:
    route = only('routes: {r: {match: "/a/{id}", respond: 404, rewrite: {path: "/b/{path.id}"}}}')
    assert route.rewrite == Rewrite(path="/b/{path.id}")
    route = only(
        "routes: {r: {match: /a/*, respond: 404, rewrite: {regex: {pattern: '(a)', to: '\\1\\1'},"
        " location: keep, forwarded_prefix: false}}}"
    )
    assert route.rewrite == Rewrite(
        regex="(a)", substitution="\\1\\1", map_back=False, forwarded_prefix=False
    )


# -- answers -------------------------------------------------------------------------------


def test_error_pages_of_defaults_and_routes(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>{reason}</p>")
    file = tmp_path / "g.yaml"
    file.write_text(
        "version: 1\n"
        "defaults: {errors: {pages: [{file: page.html}]}}\n"
        "routes:\n  a: {match: /a, respond: 404}\n"
        "  b: {match: /b, respond: 404, errors: {replace_upstream: [502], pages:"
        " [{status: [502, 503], reason: no_route, body: x, type: text/plain, answer: 500}]}}\n"
    )
    found = build_file(str(file), resolver=hosts_resolver)
    assert found.error_pages == (ErrorPage("<p>{reason}</p>"),)
    a, b = found.routes
    assert (a.error_pages, a.replace_upstream) == (found.error_pages, frozenset())
    assert b.replace_upstream == {502}
    assert b.error_pages == (
        ErrorPage("x", frozenset({502, 503}), frozenset({"no_route"}), "text/plain", 500),
    )


def test_an_answer_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "robots.txt").write_bytes(b"User-agent: *\n")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\xff")
    file = tmp_path / "g.yaml"
    file.write_text(
        "version: 1\nroutes:\n  a: {match: /robots.txt, respond: {file: robots.txt}}\n"
        "  b: {match: /logo, respond: {file: logo.png, headers: {content-type: image/x}}}\n"
    )
    a, b = (r.steps[0].policy.options for r in build_file(str(file)).routes)
    assert (a["body"], a["headers"]) == (b"User-agent: *\n", {"Content-Type": "text/plain"})
    assert (b["body"], b["headers"]) == (b"\x89PNG\xff", {"content-type": "image/x"})


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none", "file 'none': No such file or directory"),
        (".", "file '.': Is a directory"),
        ("fifo", "file 'fifo': not a regular file"),
        ("large", "file 'large': larger than 1024 KiB"),
    ],
)
def test_what_cannot_be_an_answer(name: str, says: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "large").open("wb") as f:
        f.truncate(1 << 21)
    file = tmp_path / "g.yaml"
    file.write_text(f"version: 1\nroutes: {{a: {{match: /a, respond: {{file: {name}}}}}}}\n")
    with pytest.raises(ConfigError) as caught:
        build_file(str(file))
    assert [p.message for p in caught.value.problems] == [says]


# -- listeners -----------------------------------------------------------------------------


def test_a_listener_may_redirect_everything() -> None:
    found = model(
        "listen: {http: {addr: ':80', redirect: https}, alt: {addr: ':81', redirect: 'https:444'},"
        " main: ':82'}\nroutes: {a: {match: /a, respond: 404}}"
    )
    assert [(listener.name, listener.route) for listener in found.listeners] == [
        ("http", "listen.http"),
        ("alt", "listen.alt"),
        ("main", ""),
    ]
    _, http, alt = found.routes
    assert (http.name, http.matches, http.target.kind) == ("listen.http", (), "none")
    assert http.steps[0].policy.options == {"to": "https://{host}{path}?{query}", "status": 308}
    assert alt.steps[0].policy.options["to"] == "https://{host}:444{path}?{query}"


def test_a_redirecting_listener_may_answer_challenges(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    file = tmp_path / "g.yaml"
    text = (
        "version: 1\nlisten: {http: {addr: ':80', redirect: https, acme_challenge: acme}}\n"
        "routes: {a: {match: /a, respond: 404}}\n"
    )
    file.write_text(text)
    _, http = build_file(str(file), CommandLine(), hosts_resolver).routes
    assert [step.policy.kind for step in http.steps] == ["acme_challenge", "redirect"]
    assert http.steps[0].policy.options == {"folder": str(tmp_path / "acme")}
    for wrong, says in (
        (text.replace("redirect: https, ", ""), "needs 'redirect'"),
        (text.replace("challenge: acme", "challenge: none"), f"{tmp_path / 'none'}: is no folder"),
    ):
        file.write_text(wrong)
        with pytest.raises(ConfigError) as caught:
            build_file(str(file), CommandLine(), hosts_resolver)
        assert says in caught.value.problems[0].message


def test_a_file_that_anybody_may_change_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text("version: 1\nroutes: {a: {match: /a, respond: 404}}\n")
    file.chmod(0o666)
    from fastgw.config.build import build_whole
    from fastgw.config.source import open_document

    found = build_whole(open_document(str(file)), CommandLine(), hosts_resolver).warnings
    assert [(p.code, p.message) for p in found] == [("FGW405", f"anybody may change {file}")]


def test_health_is_a_route_s_alone() -> None:
    (step,) = only("routes: {r: {match: /r, health: ready}}").steps
    assert (step.policy.kind, step.policy.options) == ("health", {"probe": "ready"})
    for text, path in (
        ("defaults: {health: live}\nroutes: {r: {match: /r, respond: 404}}", "defaults.health"),
        ("routes: {r: {match: /r, health: dead}}", "routes.r.health"),
    ):
        with pytest.raises(ConfigError) as caught:
            model(text)
        assert path in {p.path for p in caught.value.problems}


# -- answers with variables ----------------------------------------------------------------


def test_the_content_of_an_answer_may_be_a_template(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>{path.id}</p>")
    file = tmp_path / "g.yaml"
    file.write_text(
        """version: 1
routes:
  text: {match: "/t/{id}", respond: {body: "id {path.id}", template: true}}
  page: {match: "/p/{id}", respond: {file: page.html, template: true}}
  plain: {match: "/f/{id}", respond: {body: "{path.nothing}"}}
"""
    )
    routes = build_file(str(file)).routes
    with Gateway(*routes) as gw, Client(gw.address) as c:
        assert c.get("/t/7").body == b"id 7"
        answer = c.get("/p/%3Cb%3E")
        assert (answer.body, answer.value("Content-Type")) == (b"<p>%3Cb%3E</p>", b"text/html")
        assert c.get("/p/a&b").body == b"<p>a&#38;b</p>"
        assert c.get("/f/7").body == b"{path.nothing}"


@pytest.mark.parametrize(
    ("respond", "said"),
    [
        ("{body: '{path.ids}', template: true}", "no such parameter (did you mean 'id'?)"),
        ("{body: '{nothing}', template: true}", "unknown variable"),
        ("{body: '{', template: true}", "body: "),
        ("{template: true}", "a template needs 'body' or 'file'"),
        ("{file: bytes, template: true}", "is not text in UTF-8, which a template is"),
    ],
)
def test_what_is_no_template(respond: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    file = tmp_path / "g.yaml"
    file.write_text(f"version: 1\nroutes: {{r: {{match: '/a/{{id}}', respond: {respond}}}}}\n")
    with pytest.raises(ConfigError) as caught:
        build(open_document(str(file)), CommandLine(), hosts_resolver, build_policy)
    assert said in str(caught.value.problems[0])
