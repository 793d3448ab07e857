"""The plan that requests are matched against: a route of each kind, in places where they meet."""

from __future__ import annotations

from fastgw.plan import Condition, Match, ObjectSpec, PlanModel, Route, build_plan

GET, POST = frozenset({"GET"}), frozenset({"POST"})
MATCHES = (
    Match("/", False),
    Match("/orders", True),
    Match("/orders/{id}", False, methods=GET),
    Match("/orders/new", False, methods=POST),
    Match("/orders/{id}/items/{item}", False),
    Match("/files/{rest...}", False),
    Match("/codes/[a-z]{2}(?P<number>[0-9]+)", regex=True),
    Match("/(a+)+", regex=True),
    Match("/longer-than-eight-bytes/of/segments", True, "api.example.com"),
    Match("/{x}/{y}", False, "api.example.com"),
    Match("", True, "*.example.com", methods=GET),
    Match("/deep" * 20, True, "*.a.example.com"),
    Match("/search", False, conditions=(Condition("query", "q", "regex", "[a-z ]+"),)),
    Match("/search", False, conditions=(Condition("query", "q", "exact", "a b"),)),
    Match("/known", False, conditions=(Condition("header", "x-a"),)),
)


def plan() -> bytes:
    """The plan; each match is a route."""
    target = ObjectSpec("none", "nothing")
    routes = (Route(f"r{i}", (match,), target, priority=i == 13) for i, match in enumerate(MATCHES))
    return build_plan(PlanModel(tuple(routes)))
