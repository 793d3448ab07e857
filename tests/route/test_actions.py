"""What a matched route does, through real sockets: rewrites, hosts, splits, pages, redirects."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from fastgw.plan import ErrorPage, PlanError, PlanModel, Split, SplitPart, build_plan
from tests.scenario.client import Answer, Client
from tests.scenario.gateway import (
    Gateway,
    Listener,
    Match,
    ObjectSpec,
    Rewrite,
    Route,
    Step,
    policy,
    upstream,
)
from tests.scenario.origin import Origin, Peer, answering

NONE = ObjectSpec("none", "none")
PLAIN = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"


def respond(body: str, **options: Any) -> tuple[Step, ...]:
    """The steps of a route that answers."""
    return (Step(policy("respond", name=f"r-{body[:20]}", body=body, **options)),)


def head(*fields: str, status: str = "200 OK") -> bytes:
    """An answer without a body."""
    lines = [f"HTTP/1.1 {status}", "Content-Length: 0", *fields, "", ""]
    return "\r\n".join(lines).encode()


def forwarded(match: Match, rewrite: Rewrite, target: str, **more: Any) -> bytes:
    """The target that the origin gets."""
    with Origin() as origin:
        route = Route("r", (match,), upstream(origin.address), rewrite=rewrite, **more)
        with Gateway(route) as gw, Client(gw.address) as c:
            assert c.get(target).status == 200
        return origin.request().line.split(b" ")[1]


# -- paths -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("match", "rewrite", "target", "sent"),
    [
        (Match("/v1"), Rewrite("/v1"), "/v1", b"/"),
        (Match("/v1"), Rewrite("/v1"), "/v1/", b"/"),
        (Match("/v1"), Rewrite("/v1"), "/v1/a?b=/v1", b"/a?b=/v1"),
        (Match("/v1"), Rewrite("/v1", "/api"), "/v1", b"/api"),
        (Match("/v1"), Rewrite("/v1", "/api"), "/v1/a%20b", b"/api/a%20b"),
        (Match(), Rewrite(prefix="/api"), "/", b"/api/"),
        (
            Match("/u/{id}/{rest...}", False),
            Rewrite(path="/v2/{path.rest}/{path.id}"),
            "/u/7/a/b?x=1",
            b"/v2/a/b/7?x=1",
        ),
        (Match(), Rewrite(path="{path}/"), "/a", b"/a/"),
        (Match(), Rewrite(path="/{header.x-none}/y"), "/a", b"//y"),
        (Match(), Rewrite(path="/{query.q}"), "/a?q=x/../y", b"/x%2F..%2Fy?q=x/../y"),
        (Match(), Rewrite(path="/{query.q}"), "/a?q=%41%20", b"/A%20?q=%41%20"),
        (
            Match("/(?P<kind>[a-z]+)-(?P<n>[0-9]+)", regex=True),
            Rewrite(path="/{path.n}/{path.kind}"),
            "/ab-12",
            b"/12/ab",
        ),
        (Match(), Rewrite(regex="/v[0-9]+", substitution="/x"), "/v12/v3?v=/v4", b"/x/v3?v=/v4"),
        (Match(), Rewrite(regex="/(a+)(b)?", substitution=r"/\2-\1-\0"), "/aa/c", b"/-aa-/aa/c"),
        (Match(), Rewrite(regex="nothing", substitution="/x"), "/a", b"/a"),
        (Match(), Rewrite(regex="x", substitution="."), "/a/xx/b", b"/a/.x/b"),
    ],
)
def test_paths(match: Match, rewrite: Rewrite, target: str, sent: bytes) -> None:
    allow = frozenset({"encoded_slash"})
    assert forwarded(match, rewrite, target, allow=allow) == sent


def test_no_rewrite_makes_dot_segments() -> None:
    """What a template puts together goes through the path rule again."""
    rewrite = Rewrite(regex="/x/", substitution="/../")
    assert forwarded(Match(), rewrite, "/a/x/b") == b"/b"
    with Origin() as origin:
        route = Route(
            "r", (Match(),), upstream(origin.address), rewrite=Rewrite(path="/q/{query.p}")
        )
        with Gateway(route) as gw, Client(gw.address) as c:
            assert c.get("/?p=../admin").status == 400
            assert gw.record()["reason"] == "bad_path"
            assert c.get("/?p=fine").status == 200
        assert origin.request().line.split(b" ")[1] == b"/q/fine?p=fine"


@pytest.mark.parametrize(
    "rewrite",
    [Rewrite(prefix="/v1"), Rewrite(path="/v1{path}"), Rewrite(regex="^", substitution="/v1")],
)
def test_options_of_the_server_is_never_rewritten(rewrite: Rewrite) -> None:
    with Origin() as origin:
        route = Route("r", (Match(),), upstream(origin.address), rewrite=rewrite)
        with Gateway(route) as gw, Client(gw.address) as c:
            c.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
            assert c.answer("OPTIONS").status == 200
        assert origin.request().line == b"OPTIONS * HTTP/1.1"


@pytest.mark.parametrize(
    ("rewrite", "said"),
    [
        (Rewrite("/a", path="/x"), "not several"),
        (Rewrite(prefix="/a/"), "ends in a slash"),
    ],
)
def test_a_rewrite_that_says_two_things_is_refused(rewrite: Rewrite, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        build_plan(PlanModel((Route("r", (Match("/a"),), NONE, rewrite=rewrite),)))


@pytest.mark.parametrize(
    ("rewrite", "said"),
    [
        (Rewrite(path="x"), "does not begin with a slash"),
        (Rewrite(path="/a?b"), "no path may hold"),
        (Rewrite(path="/{nothing}"), "unknown variable"),
        (Rewrite(regex="(a", substitution="b"), "missing"),
        (Rewrite(regex="a", substitution=r"\1"), "no group"),
        (Rewrite(regex="a", substitution=r"\x"), "is not a group"),
        (Rewrite(regex="a", substitution="?"), "no path may hold"),
    ],
)
def test_a_wrong_rewrite_is_not_loaded(rewrite: Rewrite, said: str) -> None:
    gw = Gateway(Route("r", (Match(),), NONE, rewrite=rewrite))
    with pytest.raises(ValueError, match=said):
        gw.__enter__()


# -- what the upstream is told ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "told", "sent"),
    [
        ((), (), [b"/v1"]),
        ((), ("X-Forwarded-Prefix: /evil",), [b"/v1"]),
        (("127.0.0.1",), ("X-Forwarded-Prefix: /outer/",), [b"/outer/v1"]),
    ],
)
def test_the_upstream_is_told_what_was_taken_off(
    trusted: tuple[str, ...], told: tuple[str, ...], sent: list[bytes]
) -> None:
    with Origin() as origin:
        route = Route("r", (Match("/v1"),), upstream(origin.address), rewrite=Rewrite("/v1"))
        with Gateway(route, trusted_proxies=trusted) as gw, Client(gw.address) as c:
            assert c.get("/v1/a", *told).status == 200
        assert origin.request().values("X-Forwarded-Prefix") == sent


def test_the_upstream_is_not_told_where_that_is_off_or_nothing_was_taken_off() -> None:
    for rewrite in (Rewrite("/v1", forwarded_prefix=False), Rewrite(prefix="/x")):
        with Origin() as origin:
            route = Route("r", (Match("/v1"),), upstream(origin.address), rewrite=rewrite)
            with Gateway(route) as gw, Client(gw.address) as c:
                assert c.get("/v1/a").status == 200
            assert origin.request().values("X-Forwarded-Prefix") == []


@pytest.mark.parametrize(
    ("target", "route", "sent"),
    [
        ("keep", "", "gw.test"),
        ("keep", "upstream", "{origin}"),
        ("upstream", "keep", "gw.test"),
        ("=fixed.test", "=mine.test:81", "mine.test:81"),
        ("=fixed.test", "", "fixed.test"),
    ],
)
def test_the_route_says_what_the_upstream_is_called(target: str, route: str, sent: str) -> None:
    with Origin() as origin:
        made = Route(
            "r", (Match(),), upstream(origin.address, host=target), rewrite=Rewrite(host=route)
        )
        with Gateway(made) as gw, Client(gw.address) as c:
            assert c.get("/").status == 200
        name = sent.replace("{origin}", f"127.0.0.1:{origin.address[1]}")
        assert origin.request().value("Host") == name.encode()


# -- mapping back ----------------------------------------------------------------------------


TO_V1 = Rewrite("/shop", "/v1")


def mapped(field: str, rewrite: Rewrite = TO_V1, path: str = "/shop/a") -> bytes:
    """What becomes of a field of the upstream's answer; {origin} is its address."""
    name, _, value = field.partition(": ")

    def script(peer: Peer) -> None:
        peer.log(peer.request())
        origin_name = f"127.0.0.1:{origin.address[1]}"
        peer.send(head(f"{name}: {value.replace('{origin}', origin_name)}", status="302 Found"))

    with Origin(script) as origin:
        route = Route("r", (Match("/shop"),), upstream(origin.address), rewrite=rewrite)
        with Gateway(route) as gw, Client(gw.address) as c:
            return c.get(path).value(name)


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ("Location: /v1/b?c=/v1#d", b"/shop/b?c=/v1#d"),
        ("Location: /v1", b"/shop"),
        ("Location: /v1?x", b"/shop?x"),
        ("Location: /v1x", b"/v1x"),
        ("Location: /other", b"/other"),
        ("Location: b", b"b"),
        ("Location: ?x", b"?x"),
        ("Location: ../v1/b", b"../v1/b"),
        ("Location: http://{origin}/v1/b", b"http://gw.test/shop/b"),
        ("Location: http://127.0.0.1/v1/b", b"http://gw.test/shop/b"),
        ("Location: https://{origin}/v1", b"http://gw.test/shop"),
        ("Location: //{origin}/v1/b", b"//gw.test/shop/b"),
        ("Location: https://gw.test/v1/b", b"https://gw.test/shop/b"),
        ("Location: HTTP://GW.test/v1/b", b"HTTP://GW.test/shop/b"),
        ("Location: https://elsewhere.test/v1/b", b"https://elsewhere.test/v1/b"),
        ("Location: //elsewhere.test/v1/b", b"//elsewhere.test/v1/b"),
        ("Location: http://127.0.0.1:1/v1/b", b"http://127.0.0.1:1/v1/b"),
        ("Content-Location: /v1/b", b"/shop/b"),
        ("Refresh: 5; url=/v1/b", b"5; url=/shop/b"),
        ("Refresh: 5;URL='/v1/b'", b"5;URL='/shop/b'"),
        ("Refresh: 5", b"5"),
        ("Set-Cookie: a=/v1; Path=/v1/x; Secure", b"a=/v1; Path=/shop/x; Secure"),
        ("Set-Cookie: a=b; path=/v1", b"a=b; path=/shop"),
        ("Set-Cookie: a=b; Path=/", b"a=b; Path=/"),
        ("Set-Cookie: a=b; Domain=127.0.0.1; Path=/v1", b"a=b; Domain=gw.test; Path=/shop"),
        ("Set-Cookie: a=b; Domain=.elsewhere.test", b"a=b; Domain=.elsewhere.test"),
        ("Set-Cookie: a; Path=v1", b"a; Path=v1"),
        ("Set-Cookie: ;;; Path=/v1;", b";;; Path=/shop;"),
    ],
)
def test_answers_are_mapped_back(sent: str, got: bytes) -> None:
    assert mapped(sent) == got


@pytest.mark.parametrize(
    ("rewrite", "sent", "got"),
    [
        (Rewrite("/shop"), "Location: /b", b"/shop/b"),
        (Rewrite("/shop"), "Location: /", b"/shop/"),
        (Rewrite("/shop"), "Set-Cookie: a=b; Path=/", b"a=b; Path=/shop/"),
        (Rewrite(prefix="/v1"), "Location: /v1/shop/b", b"/shop/b"),
        (Rewrite(prefix="/v1"), "Location: /v1", b"/"),
        (Rewrite("/shop", map_back=False), "Location: /b", b"/b"),
        (Rewrite(path="/x"), "Location: /x", b"/x"),
    ],
)
def test_each_rewrite_has_its_way_back(rewrite: Rewrite, sent: str, got: bytes) -> None:
    assert mapped(sent, rewrite) == got


def test_the_name_that_the_upstream_was_called_by_is_mapped_back() -> None:
    """Also in an answer without a body, whose attempt is over when its head is looked at."""
    rewrite = Rewrite("/shop", "/v1", host="=inner.example")
    assert mapped("Location: http://inner.example/v1/b", rewrite) == b"http://gw.test/shop/b"
    assert mapped("Location: http://other.example/v1/b", rewrite) == b"http://other.example/v1/b"


def test_every_cookie_is_mapped_and_other_fields_stay() -> None:
    fields = ("Set-Cookie: a=1; Path=/v1", "X-Location: /v1", "Set-Cookie: b=2; Path=/v1/b")
    with Origin(answering(head(*fields))) as origin:
        rewrite = Rewrite("/shop", "/v1")
        route = Route("r", (Match("/shop"),), upstream(origin.address), rewrite=rewrite)
        with Gateway(route) as gw, Client(gw.address) as c:
            a = c.get("/shop")
    assert sorted(a.values("Set-Cookie")) == [b"a=1; Path=/shop", b"b=2; Path=/shop/b"]
    assert a.value("X-Location") == b"/v1"


# -- parameters and answers --------------------------------------------------------------------


def test_parameters_are_variables_of_policies() -> None:
    shared = respond("{path.id} {path.none} {cookie.c} {query.q}.", template=True)
    routes = (
        Route("a", (Match("/a/{id}", False), Match("/b/{x}/{id}", False)), NONE, shared),
        Route("c", (Match("/c/(?P<id>[a-z]+)!", regex=True),), NONE, shared),
        Route("d", (Match("/d"),), NONE, shared),
    )
    with Gateway(*routes) as gw, Client(gw.address) as c:
        assert c.get("/a/1?q=%20&q=2", "Cookie: b=1; c=2").body == b"1  2 %20."
        assert c.get("/b/2/3").body == b"3   ."
        assert c.get("/c/xyz!").body == b"xyz   ."
        assert c.get("/d").body == b"   ."


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"&#60;b&#62;&#38;&#34;&#39;"),
        ("application/xml", b"&#60;b&#62;&#38;&#34;&#39;"),
        ("application/problem+json", b"<b>&\\u0022'"),
        ("text/plain", b"<b>&\"'"),
    ],
)
def test_values_in_bodies_are_escaped(kind: str, body: bytes) -> None:
    steps = respond("{{{header.x}}}", template=True, headers={"Content-Type": kind})
    with Gateway(Route("r", (Match(),), NONE, steps)) as gw, Client(gw.address) as c:
        assert c.get("/", "X: <b>&\"'").body == b"{" + body + b"}"


@pytest.mark.parametrize(
    ("trusted", "told", "scheme"),
    [((), "https", b"http"), (("127.0.0.1",), "https", b"https"), (("127.0.0.1",), "x", b"http")],
)
def test_the_scheme_is_the_connections_unless_a_trusted_peer_says_so(
    trusted: tuple[str, ...], told: str, scheme: bytes
) -> None:
    route = Route("r", (Match(),), NONE, respond("{scheme}", template=True))
    with Gateway(route, trusted_proxies=trusted) as gw, Client(gw.address) as c:
        assert c.get("/", f"X-Forwarded-Proto: {told}").body == scheme
        assert c.get("https://gw.test/").body == b"http"


def test_a_redirect_takes_parameters() -> None:
    steps = (Step(policy("redirect", to="/new/{path.id}?{query}", status=308)),)
    route = Route("r", (Match("/old/{id}", False),), NONE, steps)
    with Gateway(route) as gw, Client(gw.address) as c:
        a = c.get("/old/7?x=1")
        assert (a.status, a.value("Location")) == (308, b"/new/7?x=1")


def test_a_listener_may_send_everything_to_one_route() -> None:
    to = "https://{host}{path}?{query}"
    routes = (
        Route("redirect", (), NONE, (Step(policy("redirect", to=to, status=308)),)),
        Route("exact", (Match("/a", False, "gw.test"),), NONE, respond("no")),
    )
    with (
        Gateway(*routes, listeners=(Listener("http", ":80", route="redirect"),)) as gw,
        Client(gw.address) as c,
    ):
        assert c.get("/a?b").value("Location") == b"https://gw.test/a?b"
        assert gw.record()["route"] == "redirect"
    with (
        Gateway(*routes, listeners=(Listener("http", ":80"),)) as gw,
        Client(gw.address) as c,
    ):
        assert c.get("/a").body == b"no"
        assert c.get("/b").status == 404


def test_a_listeners_route_must_exist() -> None:
    with pytest.raises(PlanError, match="there is no route 'x'"):
        build_plan(PlanModel((), (Listener("http", ":80", route="x"),)))


# -- methods -----------------------------------------------------------------------------------


def ask(c: Client, method: str, target: str = "/a") -> Answer:
    """An answer to any method."""
    c.send(f"{method} {target} HTTP/1.1\r\nHost: gw.test\r\n\r\n".encode())
    return c.answer(method)


def test_options_is_answered_where_no_route_takes_it() -> None:
    get = Match("/a", methods=frozenset({"GET"}))
    routes = (
        Route("get", (get,), NONE, respond("got")),
        Route("post", (Match("/a", methods=frozenset({"POST"})),), NONE, respond("posted")),
        Route("options", (Match("/b", methods=frozenset({"OPTIONS"})),), NONE, respond("own")),
    )
    with Gateway(*routes) as gw, Client(gw.address) as c:
        a = ask(c, "OPTIONS")
        assert (a.status, a.value("Allow"), a.body) == (204, b"GET, HEAD, POST, OPTIONS", b"")
        assert gw.record()["reason"] == "fixed_reply"
        assert ask(c, "OPTIONS", "/b").body == b"own"
        assert ask(c, "OPTIONS", "/c").status == 404
        assert ask(c, "HEAD").status == 200
        assert ask(c, "PUT").value("Allow") == b"GET, HEAD, POST, OPTIONS"


# -- split ---------------------------------------------------------------------------------------


def named(name: str) -> bytes:
    """An answer that says who gave it."""
    return head(f"X-Who: {name}")


def test_a_split_is_sticky_by_its_key_and_follows_its_weights() -> None:
    with Origin(answering(named("a"))) as a, Origin(answering(named("b"))) as b:
        parts = (
            SplitPart(upstream(a.address, name="a"), 3),
            SplitPart(upstream(b.address, name="b"), 1),
        )
        split = Split("s", parts, key="{header.x-user}")
        with Gateway(Route("r", (Match(),), split)) as gw, Client(gw.address) as c:
            got = [c.get("/", f"X-User: u{i}").value("X-Who") for i in range(400)]
            again = [c.get("/", f"X-User: u{i}").value("X-Who") for i in range(100)]
            assert again == got[:100]
            assert 60 <= Counter(got)[b"b"] <= 140
            free = Counter(c.get("/").value("X-Who") for _ in range(200))
            assert 20 <= free[b"b"] <= 90


def test_a_part_that_is_gone_hands_its_share_to_the_others() -> None:
    with Origin(answering(named("a"))) as a:
        with Origin() as gone:
            dead = gone.address
        parts = (
            SplitPart(upstream(dead, name="dead"), 1),
            SplitPart(upstream(a.address, name="a"), 1),
            SplitPart(upstream(a.address, name="b"), 0),
        )
        split = Split("s", parts, key="{header.x-user}")
        with Gateway(Route("r", (Match(),), split)) as gw, Client(gw.address) as c:
            answers = [c.get("/", f"X-User: u{i}").status for i in range(40)]
        assert answers == [200] * 40


def test_splits_share_the_connections_of_their_parts() -> None:
    with Origin(answering(named("a"))) as a:
        up = upstream(a.address, name="a")
        routes = (
            Route("one", (Match("/1"),), Split("s", (SplitPart(up, 1),))),
            Route("two", (Match("/2"),), up),
        )
        with Gateway(*routes) as gw, Client(gw.address) as c:
            for _ in range(5):
                assert c.get("/1").status == c.get("/2").status == 200
            assert gw.call(lambda: gw.worker.counters())["upstream_idle"] == 1


# -- error pages ---------------------------------------------------------------------------------


def test_own_pages_by_status_and_reason() -> None:
    pages = (
        ErrorPage("<p>{reason} {path}</p>", reasons=frozenset({"connect_refused"}), status=503),
        ErrorPage('{{"s": "{response.status}"}}', frozenset({502, 403}), content_type="a/json"),
    )
    with Origin() as gone:
        dead = upstream(gone.address)
    routes = (
        Route("dead", (Match("/dead"),), dead, error_pages=pages),
        Route(
            "no", (Match("/no"),), NONE, (Step(policy("respond", status=403)),), error_pages=pages
        ),
        Route(
            "teapot",
            (Match("/418"),),
            NONE,
            (Step(policy("respond", status=418)),),
            error_pages=pages,
        ),
    )
    general = (ErrorPage("nobody: {route}.", content_type="text/plain"),)
    with Gateway(*routes, error_pages=general) as gw, Client(gw.address) as c:
        a = c.get("/dead/%3C'")
        assert (a.status, a.body) == (503, b"<p>connect_refused /dead/%3C&#39;</p>")
        assert a.value("Content-Type") == b"text/html; charset=utf-8"
        assert a.value("Cache-Control") == b"no-store"
        a = c.get("/no")
        assert (a.status, a.body) == (403, b'{"s": "403"}')
        assert a.value("Content-Type") == b"a/json"
        assert c.get("/418").value("Content-Type") == b"application/problem+json"
        a = c.get("/nowhere")
        assert (a.status, a.body) == (404, b"nobody: .")


def test_a_refused_head_gets_the_page_for_requests_without_a_route() -> None:
    general = (ErrorPage("bad: {path.x}{status}", content_type="text/plain"),)
    with pytest.raises(ValueError, match="unknown variable"):
        Gateway(error_pages=general).__enter__()
    general = (ErrorPage("bad: {path.x}{reason}", content_type="text/plain"),)
    with Gateway(error_pages=general) as gw, Client(gw.address) as c:
        c.send(b"GET / HTTP/1.1\r\n\r\n")
        a = c.answer()
        assert (a.status, a.body) == (400, b"bad: bad_host")


def test_an_upstreams_error_is_replaced_where_the_route_says_so() -> None:
    big = b"HTTP/1.1 503 No\r\nContent-Length: 100000\r\nRetry-After: 7\r\nX-A: 1\r\n\r\n"
    page = ErrorPage("sorry", content_type="text/plain")

    def script(peer: Peer) -> None:
        while True:
            request = peer.request()
            status = request.line.split(b"/")[1].split(b" ")[0].decode()
            if status == "big":
                peer.send(big + b"x" * 100000)
            else:
                peer.send(head(status=f"{status} X"))

    with Origin(script) as origin:
        route = Route(
            "r",
            (Match(),),
            upstream(origin.address),
            error_pages=(page,),
            replace_upstream=frozenset({502, 503}),
        )
        with Gateway(route) as gw, Client(gw.address) as c:
            a = c.get("/big")
            assert (a.status, a.body, a.value("Retry-After")) == (503, b"sorry", b"7")
            assert a.values("X-A") == []
            assert c.get("/502").body == b"sorry"
            assert (c.get("/500").status, c.get("/500").body) == (500, b"")
            assert c.get("/200").status == 200


def test_a_status_without_a_page_is_left_to_the_upstream() -> None:
    page = ErrorPage("sorry", frozenset({404}), content_type="text/plain")
    with Origin(answering(head("X-A: 1", status="503 X"))) as origin:
        route = Route(
            "r",
            (Match(),),
            upstream(origin.address),
            error_pages=(page,),
            replace_upstream=frozenset({503}),
        )
        with Gateway(route) as gw, Client(gw.address) as c:
            assert c.get("/").value("X-A") == b"1"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (ErrorPage("x", frozenset({200})), "200 is not one of"),
        (ErrorPage("x", reasons=frozenset({"nope"})), "no reason 'nope'"),
        (ErrorPage("x", status=200), "200 is not one of"),
        (ErrorPage("{x"), "without"),
        (ErrorPage("x", content_type="a\r\nb"), "control"),
    ],
)
def test_a_wrong_page_is_not_loaded(page: ErrorPage, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Gateway(Route("r", (Match(),), NONE, error_pages=(page,))).__enter__()
