"""Every timeout and limit, in every scope that may say it: the inner scope wins, one that may not
say it is told so, and `show --effective` names who said what is in force."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise

import pytest

from fastgw.config.build import Built, CommandLine, build_whole
from fastgw.config.effective import effective
from fastgw.config.limit_models import AllLimits, AllTimeouts, RouteLimits, RouteTimeouts
from fastgw.config.problems import ConfigError, Problem
from fastgw.config.reader import read_text
from fastgw.config.server_urls import hosts_resolver
from fastgw.plan.model import Limits, Timeouts

SCOPES = ("defaults", "upstream", "group", "route")
#: What each scope says of a key, and what that is: different ones, the widest first.
MS = {"defaults": ("9s", 9000), "upstream": ("8s", 8000), "group": ("7s", 7000),
      "route": ("6s", 6000)}  # fmt: skip
BYTES = {"defaults": ("8KiB", 8192), "upstream": ("4KiB", 4096), "group": ("2KiB", 2048),
         "route": ("1KiB", 1024)}  # fmt: skip
COUNT = {"defaults": ("90", 90), "upstream": ("80", 80), "group": ("70", 70), "route": ("60", 60)}
ROWS = [
    *(("timeouts", key, MS) for key in AllTimeouts.model_fields),
    *(("limits", key, COUNT if key in ("fields", "requests") else BYTES)
      for key in AllLimits.model_fields if key != "memory"),
]  # fmt: skip
OF_ROUTES = {*RouteTimeouts.model_fields, *RouteLimits.model_fields}


def built(said: dict[str, str]) -> Built:
    """The configuration of a route with all scopes around it, each saying `said` of it."""
    text = f"""\
version: 1
defaults: {{{said.get("defaults", "")}}}
upstreams: {{u: {{servers: "http://10.0.0.1:1", {said.get("upstream", "")}}}}}
groups: {{g: {{{said.get("group", "")}}}}}
routes:
  r: {{match: /a, upstream: u, group: g, {said.get("route", "")}}}
  other: {{match: /b, respond: 404}}
"""
    return build_whole(read_text("g.yaml", text), CommandLine(), hosts_resolver)


def problems(said: dict[str, str]) -> list[Problem]:
    """What is wrong with it."""
    with pytest.raises(ConfigError) as caught:
        built(said)
    return caught.value.problems


def in_force(found: Built, kind: str, key: str) -> int:
    """The value of the route `r`."""
    route = found.model.routes[0]
    if kind == "timeouts":
        return int(getattr(route.timeouts, key))
    if key == "body":
        return route.body_limit
    return int(getattr(route, f"{key}_limit", 0) or getattr(found.model.limits, key))


@pytest.mark.parametrize(("kind", "key", "values"), ROWS, ids=[f"{k}.{n}" for k, n, _ in ROWS])
def test_scopes(kind: str, key: str, values: dict[str, tuple[str, int]]) -> None:
    """Scopes are added from the outermost to the innermost; each one wins."""
    default = asdict(Timeouts() if kind == "timeouts" else Limits())[key]
    assert in_force(built({}), kind, key) == default
    said: dict[str, str] = {}
    for scope in SCOPES:
        text, value = values[scope]
        more = f"{kind}: {{{key}: {text}}}"
        if scope != "defaults" and key not in OF_ROUTES:
            found = problems({**said, scope: more})
            assert [p.code for p in found] == ["FGW003"], scope
            continue
        said[scope] = more
        now = built(said)
        assert in_force(now, kind, key) == value
        if key in OF_ROUTES:
            rows = {v.key: v for v in effective(now, "r")}
            assert rows[f"{kind}.{key}"].text.split()[0] == text
            assert rows[f"{kind}.{key}"].origin.startswith(
                {"upstream": "upstreams.u", "group": "groups.g", "route": "routes.r"}.get(
                    scope, "defaults"
                )
            )


@pytest.mark.parametrize(
    ("kind", "key", "values"),
    [row for row in ROWS if row[1] in OF_ROUTES],
    ids=[f"{k}.{n}" for k, n, _ in ROWS if n in OF_ROUTES],
)
def test_one_that_is_left_out_is_passed_over(
    kind: str, key: str, values: dict[str, tuple[str, int]]
) -> None:
    for outer, inner in pairwise(SCOPES):
        said = {outer: f"{kind}: {{{key}: {values[outer][0]}}}", inner: "on_client_eof: finish"}
        assert in_force(built(said), kind, key) == values[outer][1]


@pytest.mark.parametrize("scope", SCOPES[1:])
@pytest.mark.parametrize(
    ("key", "text"), [("head", "64KiB"), ("target", "9KiB"), ("fields", "101")]
)
def test_a_limit_of_heads_that_could_not_hold(scope: str, key: str, text: str) -> None:
    (found,) = problems({scope: f"limits: {{{key}: {text}}}"})
    assert found.code == "FGW005"
    assert "is more than the" in found.message and "of 'defaults'" in found.message
    assert found.path.endswith(f"limits.{key}")
    wider = built({"defaults": f"limits: {{{key}: {text}}}", scope: f"limits: {{{key}: {text}}}"})
    assert in_force(wider, "limits", key) == getattr(wider.model.limits, key)
