"""Header edits on both sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fastgw.ext.testing.policies import ScriptedPolicy
from tests.policy.door import Door, policy

Doors = Callable[..., Door]


def test_request_edits(door: Doors) -> None:
    d = door(
        policy(
            "headers",
            request={
                "remove": ["X-Gone", "cookie"],
                "set": {"X-Set": "s", "Accept": "a/b"},
                "add": {"X-Many": ["2", "3"], "Via": "gw"},
            },
        )
    )
    d.ask(
        "/",
        [
            ("x-gone", "1"),
            ("X-GONE", "2"),
            ("Cookie", "c"),
            ("x-set", "1"),
            ("X-Set", "2"),
            ("accept", "c/d"),
            ("X-Many", "1"),
            ("X-Kept", "k"),
        ],
    )
    assert d.upstream[1:] == [
        "X-Many: 1",
        "X-Kept: k",
        "X-Set: s",
        "Accept: a/b",
        "X-Many: 2",
        "X-Many: 3",
        "Via: gw",
    ]


def test_response_edits(door: Doors) -> None:
    d = door(
        policy(
            "headers",
            response={
                "remove": ["Server", "x-powered-by"],
                "set": {"Cache-Control": "no-store"},
                "add": {"Set-Cookie": "b=2"},
            },
        )
    )
    stream = d.ask(
        answer=[
            ("server", "old"),
            ("X-Powered-By", "old"),
            ("cache-control", "x"),
            ("Set-Cookie", "a=1"),
        ]
    )
    assert stream.fields == [
        ("Set-Cookie", "a=1"),
        ("Cache-Control", "no-store"),
        ("Set-Cookie", "b=2"),
    ]


def test_values_are_of_the_head_before_the_edits(door: Doors) -> None:
    """A value may be moved from one name to another."""
    d = door(
        policy(
            "headers",
            request={
                "remove": ["x-old"],
                "set": {"X-New": "{header.x-old}", "X-Self": "<{header.x-self}>"},
            },
        )
    )
    d.ask("/", [("X-Old", "v"), ("X-Self", "w")])
    assert d.upstream[1:] == ["X-New: v", "X-Self: <w>"]


def test_response_edits_reach_gateway_answers(door: Doors) -> None:
    deny = ScriptedPolicy("deny", {"on_request": ("reason", "ip_denied")})
    d = door(policy("headers", response={"set": {"X-Seen": "{response.status}"}}), deny)
    stream = d.ask()
    assert stream.status == 403
    assert ("X-Seen", "403") in stream.fields


def test_only_what_was_entered_sees_the_answer(door: Doors) -> None:
    deny = ScriptedPolicy("deny", {"on_request": ("reason", "ip_denied")})
    d = door(deny, policy("headers", response={"set": {"X-Seen": "1"}}))
    assert ("X-Seen", "1") not in d.ask().fields


@pytest.mark.parametrize(
    "options",
    [
        {"request": {"set": {"a": "1"}}},
        {"response": {"remove": ["a"]}},
        {},
    ],
)
def test_hooks_are_only_those_needed(options: dict[str, Any]) -> None:
    hooks = policy("headers", **options).hooks
    assert bool(hooks & 1) == ("request" in options)
    assert bool(hooks & 1 << 4) == ("response" in options)


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "connection",
        "Content-Length",
        "transfer-encoding",
        "TE",
        "Upgrade",
        "Keep-Alive",
        "Trailer",
        "Expect",
        "Proxy-Connection",
        "proxy-authorization",
        "HTTP2-Settings",
    ],
)
@pytest.mark.parametrize(
    "edit",
    [
        {"set": "1"},
        {"add": "1"},
        {"remove": None},
    ],
    ids=["set", "add", "remove"],
)
def test_framing_and_hop_by_hop_are_not_edited(name: str, edit: dict[str, Any]) -> None:
    verb, value = next(iter(edit.items()))
    entry = [name] if verb == "remove" else {name: value}
    for side in ("request", "response"):
        with pytest.raises(ValueError, match=f"{side}.{verb}.*can't be edited"):
            policy("headers", **{side: {verb: entry}})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"requset": {}}, "did you mean 'request'"),
        ({"request": {"sett": {}}}, "did you mean 'set'"),
        ({"request": []}, None),
        ({"request": ["a"]}, "expected a map"),
        ({"request": {"set": ["a"]}}, "expected a map"),
        ({"request": {"remove": "a"}}, "expected a list"),
        ({"request": {"set": {"a b": "1"}}}, "not a header name"),
        ({"request": {"set": {"": "1"}}}, "not a header name"),
        ({"request": {"set": {"é": "1"}}}, "not a header name"),
        ({"request": {"set": {"a": 1}}}, "expected a text"),
        ({"request": {"set": {1: "1"}}}, "not a header name"),
        ({"request": {"remove": [None]}}, "not a header name"),
        ({"request": {"set": {"a": "x\ny"}}}, "control"),
        ({"request": {"set": {"A": "1", "a": "2"}}}, "named twice"),
        ({"request": {"set": {"A": "1"}, "remove": ["a"]}}, "named twice"),
        ({"request": {"set": {"a": "{nope}"}}}, r"request\.set\.a: unknown variable"),
    ],
)
def test_refused_at_load(options: dict[str, Any], says: str | None) -> None:
    if says is None:
        policy("headers", **options)
        return
    with pytest.raises(ValueError, match=says):
        policy("headers", **options)
