"""Templates: what they may say, and what comes out of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fastgw.ext.policy.template import Template
from fastgw.ext.testing.policies import ScriptedPolicy
from tests.policy.door import Door, policy

Doors = Callable[..., Door]


def rendered(door: Doors, text: str, target: str = "/a/b?x=1") -> str:
    """What the upstream gets as X-Out."""
    d = door(policy("headers", request={"set": {"X-Out": text}}), client="192.0.2.7")
    d.ask(target, [("User-Agent", "probe"), ("X-Twice", "1"), ("x-twice", "2")])
    return dict(line.split(": ", 1) for line in d.upstream[1:] if ": " in line).get("X-Out", "")


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("plain", "plain"),
        ("{client.ip}", "192.0.2.7"),
        ("{client.port}", "40000"),
        ("{method} {scheme}://{host}{path}", "GET http://test.example/a/b"),
        ("{query}", "x=1"),
        ("{path}?{query}", "/a/b?x=1"),
        ("{header.User-Agent}", "probe"),
        ("{header.x-twice}", "1"),
        ("[{header.missing}]", "[]"),
        ("{{{method}}}", "{GET}"),
        ("{{path}} }}{{", "{path} }{"),
        ("{route}", "/"),
        ("é", "Ã©"),
    ],
)
def test_variables(door: Doors, text: str, out: str) -> None:
    assert rendered(door, text) == out


def test_request_id(door: Doors) -> None:
    assert len(rendered(door, "{request.id}")) == 36


@pytest.mark.parametrize(("target", "out"), [("/p", "/p"), ("/p?", "/p?"), ("/p?q", "/p?q")])
def test_mark_goes_with_the_query(door: Doors, target: str, out: str) -> None:
    assert rendered(door, "{path}?{query}", target) == out


def test_response_variables(door: Doors) -> None:
    text = "{response.status} {method} {upstream}."
    d = door(policy("headers", response={"set": {"X-Out": text}}))
    assert ("X-Out", "201 GET .") in d.ask(status=201).fields


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{client.pi}", "did you mean '{client.ip}'"),
        ("{}", "unknown variable"),
        ("{path", "without '}'"),
        ("path}", "without '{'"),
        ("{header.}", "not a header name"),
        ("{header.a b}", "not a header name"),
        ("{response.status}", "not known before"),
        ("{upstream}", "not known before"),
        ("a\r\nb", "control"),
        ("\0", "control"),
        ("{path}{query}" * 17, "more than 32"),
    ],
)
def test_refused_at_load(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Template(text)


def test_most_pieces(door: Doors) -> None:
    assert rendered(door, "{method}." * 16) == "GET." * 16


@pytest.mark.parametrize("bad", ["a\r\nx-evil: 1", "a\nb", "a\0b", "a\x7fb", "\x1b[31m"])
@pytest.mark.parametrize("verb", ["set", "add"])
def test_control_bytes_are_never_written(door: Doors, bad: str, verb: str) -> None:
    """LESSONS 32: response splitting through a value that a part behind the parser made."""
    plant = ScriptedPolicy("plant", {"on_request": ("set", "x-in", bad)})
    cut = ScriptedPolicy("cut", {"on_request": ("remove", "x-in")})
    edits = policy("headers", request={verb: {"X-Out": "<{header.x-in}>"}})
    d = door(plant, edits, cut)
    stream = d.ask("/", [("X-Out", "own")])
    assert (stream.status, d.target.attempts) == (500, [])
    assert d.rig.records[0]["reason"] == "policy_failed"
    assert "control byte" in d.logged


def test_unsafe_value_with_pass_is_missing(door: Doors) -> None:
    """`on_failure: pass` never lets the client's own value stand for ours."""
    plant = ScriptedPolicy("plant", {"on_request": ("set", "x-in", "a\nb")})
    cut = ScriptedPolicy("cut", {"on_request": ("remove", "x-in")})
    edits = policy("headers", request={"set": {"X-Out": "{header.x-in}", "X-Ok": "1"}})
    d = door(plant, (edits, "enforce", "pass"), cut)
    assert d.ask("/", [("X-Out", "own")]).status == 200
    assert "X-Ok: 1" in d.upstream
    assert not any(line.lower().startswith("x-out") for line in d.upstream)
