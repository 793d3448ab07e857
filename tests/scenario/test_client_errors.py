"""Answers of the gateway's own, and that nothing odd ever leaves in a field."""

from __future__ import annotations

import json
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.scenario.client import Answer, Client
from tests.scenario.gateway import Gateway, Match, ObjectSpec, Route, Step, plugin, policy, upstream
from tests.scenario.origin import Origin

NONE = ObjectSpec("none", "none")


def is_problem(a: Answer, status: int, reason: str) -> dict[str, object]:
    """RFC 9457, by the table of reasons."""
    assert a.status == status
    assert a.value("Content-Type") == b"application/problem+json"
    assert a.value("Cache-Control") == b"no-store"
    document: dict[str, object] = json.loads(a.body)
    assert document["type"] == f"urn:fastgw:reason:{reason}"
    assert (document["status"], document["reason"]) == (status, reason)
    assert document["title"]
    return document


def no_version_is_told(a: Answer) -> None:
    """Neither a field nor the page says what answers, least of all its version."""
    assert a.values("Server") == a.values("Via") == a.values("X-Powered-By") == []
    assert not re.search(rb"\d+\.\d+\.\d+|\d+\.\d+(?!\.\d)\b(?=.*fastgw)", a.body), a.body


def test_a_problem() -> None:
    with Gateway(Route("r", (Match(path="/only"),), NONE)) as gw, Client(gw.address) as c:
        a = c.get("/else")
        document = is_problem(a, 404, "no_route")
        no_version_is_told(a)
        said = gw.record(status=404)
        assert said["request_id"] == document["request_id"]
        assert abs(parsedate_to_datetime(a.value("Date").decode()).timestamp() - time.time()) < 3
        assert a.value("Content-Length") == b"%d" % len(a.body)
        assert c.get("/else").status == 404, "the connection goes on"


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("TEXT/HTML", True),
        ("application/json", False),
        ("*/*", False),
        ("application/json, text/html", False),
        ("application/problem+json", False),
        ("", False),
    ],
)
def test_a_page_for_those_who_want_one(accept: str, html: bool) -> None:
    with Gateway(Route("r", (Match(path="/only"),), NONE)) as gw, Client(gw.address) as c:
        a = c.get("/", f"Accept: {accept}")
        if not html:
            is_problem(a, 404, "no_route")
            return
        assert (a.status, a.value("Content-Type")) == (404, b"text/html; charset=utf-8")
        assert b"<code>no_route</code>" in a.body
        assert gw.record()["request_id"].encode() in a.body
        no_version_is_told(a)


def test_pages_may_be_switched_off() -> None:
    plan = {"error_html": False}
    with Gateway(Route("r", (Match(path="/only"),), NONE), **plan) as gw, Client(gw.address) as c:
        is_problem(c.get("/", "Accept: text/html"), 404, "no_route")


def test_errors_to_head_have_no_body() -> None:
    with Gateway(Route("r", (Match(path="/only"),), NONE)) as gw, Client(gw.address) as c:
        for _ in range(3):
            a = c.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").answer("HEAD")
            assert a.status == 404
        assert c.get("/").status == 404


@pytest.mark.parametrize(
    ("methods", "allow"),
    [
        ({"GET"}, b"GET, HEAD, OPTIONS"),
        ({"POST", "DELETE"}, b"POST, DELETE, OPTIONS"),
        ({"GET", "PUT", "OPTIONS", "QUERY"}, b"GET, HEAD, PUT, OPTIONS, QUERY"),
    ],
)
def test_405_says_what_is_allowed(methods: set[str], allow: bytes) -> None:
    route = Route("r", (Match(path="/a", methods=frozenset(methods)),), NONE)
    with Gateway(route) as gw, Client(gw.address) as c:
        a = c.send(b"PATCH /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").answer()
        is_problem(a, 405, "method_not_allowed")
        assert a.value("Allow") == allow
        assert c.get("/b").status == 404


def test_405_gathers_what_several_routes_allow() -> None:
    with (
        Gateway(
            Route("r", (Match(path="/a", methods=frozenset({"POST"})),), NONE),
            Route("s", (Match(path="/a", methods=frozenset({"DELETE"})),), NONE),
        ) as gw,
        Client(gw.address) as c,
    ):
        assert c.get("/a").value("Allow") == b"POST, DELETE, OPTIONS"


def test_reflected_bytes_are_harmless() -> None:
    """A path with markup is not reflected at all."""
    with Gateway(Route("r", (Match(path="/only"),), NONE)) as gw, Client(gw.address) as c:
        a = c.get("/%3Cscript%3E", "Accept: text/html")
        assert b"script" not in a.body


def is_clean(head: bytes) -> None:
    """No line holds a control byte, and nobody wrote a line of his own."""
    assert not re.search(rb"(?i)^set-cookie|^x-b", head, re.M)
    for line in head.split(b"\r\n"):
        assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", line), line


def test_no_plugin_writes_control_bytes() -> None:
    with Origin() as origin:
        route = Route("r", (Match(),), upstream(origin.address), steps=(plugin("Injects"),))
        with Gateway(route) as gw, Client(gw.address) as c:
            is_clean(c.get().head)
            is_clean(origin.request().head)


@pytest.mark.parametrize("kind", ["respond", "redirect", "request", "response"])
@pytest.mark.parametrize("raw", ["%0D%0ASet-Cookie:%20a=b", "%0A", "%00", "%0d"])
def test_no_policy_writes_control_bytes(kind: str, raw: str) -> None:
    """What a client hides in its path can't become a field of its own, either way."""
    known: dict[str, dict[str, Any]] = {
        "respond": {"status": 200, "headers": {"X-Path": "{path}"}},
        "redirect": {"to": "https://b.test{path}"},
    }
    options = known.get(kind, {kind: {"set": {"X-Path": "{path}"}}})
    kind = "headers" if kind in ("request", "response") else kind
    with Origin() as origin:
        route = Route(
            "r",
            (Match(),),
            upstream(origin.address),
            steps=(Step(policy(kind, **options)),),
            allow=frozenset({"nul"}),
        )
        with Gateway(route) as gw, Client(gw.address) as c:
            a = c.get(f"/a{raw}b")
            is_clean(a.head)
            while not origin.requests.empty():
                is_clean(origin.request().head)
