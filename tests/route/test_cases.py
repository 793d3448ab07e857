"""Every case of cases.py, by the compiled matcher and by the naive one."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import pytest

from fastgw.ext.route.load import PlanSnapshot, load_plan
from fastgw.ext.testing import route_doors
from fastgw.plan import Condition, Match, ObjectSpec, PlanModel, Route, build_plan
from fastgw.plan.layout import METHODS
from tests.route.cases import GROUPS
from tests.route.reference import FRONTS, Request, reference

TARGET = ObjectSpec("none", "nothing")
CODES = {"404": -1, "405": -2}
_CONDITION = re.compile(r"\{(\?|cookie:)?([\w&-]+)(?:([=~])([^}]*))?\}(?=[\[{@]|$)")
#: The whole segments that each regex of the cases begins with.
CASE_FRONTS = {
    "/v[0-9]+": 0,
    "/items/[a-z]{2,3}": 1,
    "/(red|blue)/fish": 0,
}
FRONTS.update(CASE_FRONTS)

CASES = [(group, line.strip()) for group, _, lines in GROUPS for line in lines.strip().splitlines()]


def parse_route(line: str) -> Route:
    """`name = match`"""
    name, _, text = line.strip().partition(" = ")
    text, priority = re.subn(r"@(-?\d+)$", "", text)
    value = int(line.rpartition("@")[2]) if priority else 0
    where, _, matchers = text.partition(" ")
    methods = re.match(r"\[([A-Z,]+)\]", matchers)
    more: dict[str, Any] = {
        "methods": frozenset(methods[1].split(",")) if methods else frozenset(),
        "conditions": tuple(map(parse_condition, _CONDITION.finditer(matchers))),
    }
    if where.startswith("~"):
        return Route(name, (Match(where[1:], regex=True, **more),), TARGET, priority=value)
    host, slash, path = where.partition("/")
    path = slash + path
    prefix = path.endswith("/*")
    more["host"] = host
    match = Match(path.removesuffix("/*") if prefix else path, prefix, **more)
    return Route(name, (match,), TARGET, priority=value)


def parse_condition(found: re.Match[str]) -> Condition:
    """`{x}`, `{x=1}`, `{?q~[0-9]+}`, `{cookie:c=1}`"""
    kind = {"?": "query", "cookie:": "cookie"}.get(found[1] or "", "header")
    test = {"=": "exact", "~": "regex"}.get(found[3] or "", "present")
    return Condition(kind, found[2], test, found[4] or "")  # type: ignore[arg-type]


def parse_request(line: str) -> tuple[Request, str]:
    """`[METHOD] host/path [field: value]... -> route`"""
    asked, _, wanted = line.partition(" -> ")
    words = re.match(r"(?:([A-Z]+) )?([^/ ]*)(/[^ ?]*)(?:\?([^ ]*))?(?: (.*))?$", asked)
    assert words, line
    fields = re.findall(r"([\w-]+):(?: ((?:(?![\w-]+:).)*))?", words[5] or "")
    headers = tuple((name, value.strip()) for name, value in fields)
    return Request(words[2], words[3], words[1] or "GET", words[4] or "", headers), wanted


@lru_cache
def group(name: str) -> tuple[list[Route], PlanSnapshot]:
    """The routes of a group, compiled."""
    text = next(routes for known, routes, _ in GROUPS if known == name)
    routes = [parse_route(line) for line in text.strip().splitlines()]
    plan = build_plan(PlanModel(tuple(routes)))
    return routes, load_plan(plan, {"none": route_doors.AnyTarget})


def test_there_are_enough() -> None:
    assert len(CASES) >= 200


@pytest.mark.parametrize(("name", "line"), CASES, ids=[f"{g}: {c}" for g, c in CASES])
def test_case(name: str, line: str) -> None:
    routes, snapshot = group(name)
    request, wanted = parse_request(line)
    found, _ = route_doors.match(
        snapshot,
        request.host.encode(),
        request.path.encode(),
        METHODS.index(request.method),
        query=request.query.encode(),
        fields=[(n.encode(), v.encode()) for n, v in request.headers],
    )
    names = {route.name: i for i, route in enumerate(routes)} | CODES
    assert found == names[wanted]
    assert reference(routes, request)[0] == names[wanted]
