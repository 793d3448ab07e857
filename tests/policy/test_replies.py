"""Fixed answers and redirects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.policy.door import Door, policy

Doors = Callable[..., Door]


def location(door: Doors, to: str, target: str = "/a?b=c", fields: Any = ()) -> str:
    """Where a client is sent."""
    stream = door(policy("redirect", to=to)).ask(target, fields)
    assert (stream.status, bytes(stream.body)) == (302, b"")
    return dict(stream.fields)["Location"]


# -- respond ---------------------------------------------------------------------------


def test_respond(door: Doors) -> None:
    d = door(policy("respond", status=201, body="hé\n", headers={"X-Path": "{path}"}))
    stream = d.ask("/here")
    assert (stream.status, bytes(stream.body)) == (201, "hé\n".encode())
    assert stream.fields == [
        ("X-Path", "/here"),
        ("Content-Type", "text/plain; charset=utf-8"),
    ]
    assert d.target.attempts == []
    assert d.rig.records[0]["reason"] == "fixed_reply"
    assert d.rig.records[0]["decided_by"] == "policy"


def test_respond_with_braces_and_own_type(door: Doors) -> None:
    d = door(
        policy("respond", body='{"path": "{path}"}', headers={"content-type": "application/json"})
    )
    stream = d.ask()
    assert bytes(stream.body) == b'{"path": "{path}"}'
    assert stream.fields == [("content-type", "application/json")]


def test_respond_error_page(door: Doors) -> None:
    """An error status without a body gets the gateway's page, others stay empty."""
    stream = door(policy("respond", status=410, body="")).ask()
    assert (stream.status, dict(stream.fields)["Content-Type"]) == (410, "application/problem+json")
    assert b'"reason":"fixed_reply"' in bytes(stream.body)
    assert bytes(door(policy("respond", status=202)).ask().body) == b""


def test_respond_head(door: Doors) -> None:
    stream = door(policy("respond", body="x")).ask(method="HEAD")
    assert (stream.status, bytes(stream.body)) == (200, b"")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"status": 199}, "200 to 599"),
        ({"status": 600}, "200 to 599"),
        ({"status": "200"}, "200 to 599"),
        ({"status": True}, "200 to 599"),
        ({"status": 204, "body": "x"}, "has none"),
        ({"body": 1}, "expected a text"),
        ({"headers": {"Content-Length": "1"}}, "can't be edited"),
        ({"headers": []}, None),
        ({"headers": {"a": "{nope}"}}, "headers.a: unknown"),
        ({"staus": 1}, "did you mean 'status'"),
    ],
)
def test_respond_refused(options: dict[str, Any], says: str | None) -> None:
    if says is None:
        policy("respond", **options)
        return
    with pytest.raises(ValueError, match=says):
        policy("respond", **options)


# -- redirect ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "out"),
    [
        ("https://{host}{path}?{query}", "https://test.example/a?b=c"),
        ("https://new.example{path}", "https://new.example/a"),
        ("{scheme}://{host}:8443/x", "http://test.example:8443/x"),
        ("/moved", "/moved"),
        ("/moved{path}", "/moved/a"),
        ("{path}/", "/a/"),
        ("http://x.example/?from={path}", "http://x.example/?from=/a"),
    ],
)
def test_redirect(door: Doors, to: str, out: str) -> None:
    assert location(door, to) == out


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_status(door: Doors, status: int) -> None:
    d = door(policy("redirect", to="/x", status=status))
    assert d.ask().status == status
    assert d.rig.records[0]["reason"] == "fixed_reply"


@pytest.mark.parametrize(
    ("to", "target"),
    [
        ("{path}", "//evil.example/x"),
        ("{path}", "///evil.example/x"),
        ("{path}", "/\\evil.example/x"),
        ("/{header.x-to}", "/"),
        ("/{header.x-none}{path}", "//evil.example/x"),
    ],
)
def test_redirect_stays_on_its_host(door: Doors, to: str, target: str) -> None:
    """//host is another host to a browser, and the path rule keeps `//`."""
    out = location(door, to, target, [("X-To", "/evil.example/x")])
    assert out in ("/evil.example/x", "\\evil.example/x")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "is missing"),
        ({"to": ""}, "is empty"),
        ({"to": "x"}, "begins with"),
        ({"to": "//evil"}, "write the scheme"),
        ({"to": "{query}"}, "begins with"),
        ({"to": "javascript:x"}, "begins with"),
        ({"to": "https://"}, "has no host"),
        ({"to": "https:///x"}, "has no host"),
        ({"to": "https://{path}"}, "has no host"),
        ({"to": "https://{header.x}/"}, "can't be part of the host"),
        ({"to": "https://a.example{query}"}, "can't be part of the host"),
        ({"to": "https://a.example:{client.port}/"}, "can't be part of the host"),
        ({"to": "https://a.{host}/"}, "can't be part of the host"),
        ({"to": "{scheme}{path}"}, "begins with"),
        ({"to": "/x", "status": 300}, "expected one of"),
        ({"to": "/x", "status": "301"}, "expected"),
        ({"to": "/{nope}"}, "to: unknown variable"),
        ({"to": "/x\r\n"}, "control"),
    ],
)
def test_redirect_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        policy("redirect", **options)
