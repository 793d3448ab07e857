"""`python -m bench router`: what routes cost, with ten of them and with a hundred thousand.

Method. A model of so many routes, over hosts that each have as many, with paths that are exact,
prefixes and with one and two parameters, is brought into a plan (CPU seconds), loaded as a worker
does (CPU milliseconds) and asked 20,000 requests uniform over all routes, 1 % of them misses. The
bytes of a request are copied to one place first, as a worker has just parsed them, and the cost of
that is measured alone and taken off; time is of the thread, the least of several rounds. Then
regular expressions: a thousand of one host, and a nested repeat against 8 KiB.

Figures below the bars of docs/routing.md end in `ok`; `--quick` is a smoke test.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time

from fastgw.ext.base import debug
from fastgw.ext.route.load import PlanSnapshot, load_plan
from fastgw.ext.testing.route_doors import AnyTarget, match_ns
from fastgw.plan import Match, ObjectSpec, PlanModel, Route, build_plan

TARGET = ObjectSpec("none", "nothing")
MANY = 100_000
#: Seconds to compile, nanoseconds a match, microseconds of a thousand regexes, of a repeat.
COMPILE_S, MATCH_NS, SET_US, REPEAT_US = 5.0, 500.0, 5.0, 100.0
Requests = list[tuple[bytes, bytes, int]]


def match_of(i: int, hosts: int) -> Match:
    """The match of route `i`: every fourth one has each form of path."""
    host, number = f"h{i % hosts:06}.example.com", i // hosts
    service = f"/v1/s{number:06}"
    form = (i + number) % 4
    if form == 0:
        return Match(f"{service}/orders", True, host)
    if form == 1:
        return Match(f"{service}/users/{{id}}", False, host)
    if form == 2:
        path = f"{service}/users/{{id}}/items/{{item}}"
        return Match(path, False, host, frozenset({"GET"}))
    return Match(f"{service}/status", False, host)


def model(routes: int, hosts: int) -> PlanModel:
    """So many routes."""
    return PlanModel(
        tuple(Route(f"route-{i}", (match_of(i, hosts),), TARGET) for i in range(routes))
    )


def requests_of(made: PlanModel, count: int) -> Requests:
    """Requests uniform over the routes, with a miss in a hundred."""
    chance = random.Random(1)
    asked = []
    for _ in range(count):
        match = chance.choice(made.routes).matches[0]
        path = match.path.replace("{id}", "48151").replace("{item}", "623")
        if chance.random() < 0.01:
            path = "/none" + path
        asked.append((match.host.encode(), path.encode(), 1))
    return asked


def least_ns(snapshot: PlanSnapshot, asked: Requests, rounds: int) -> float:
    """The least nanoseconds a match over several rounds."""
    return min(match_ns(snapshot, asked, 3) for _ in range(rounds))


def report(name: str, value: str, ok: bool | None = None) -> bool:
    """One line; whether it is within its bar."""
    print(f"{name:<52} {value:>14}" + ("" if ok is None else "  ok" if ok else "  over"))
    return ok is not False


def table(routes: int, hosts: int, rounds: int) -> bool:
    """One size of table."""
    made = model(routes, hosts)
    began = time.process_time()
    plan = build_plan(made)
    compile_s = time.process_time() - began
    began = time.process_time()
    snapshot = load_plan(plan, {"none": AnyTarget})
    load_ms = (time.process_time() - began) * 1000
    ns = least_ns(snapshot, requests_of(made, 20_000), rounds)
    name = f"{routes} routes, {hosts} hosts"
    fine = report(f"{name}: compile", f"{compile_s:.2f} s", compile_s < COMPILE_S)
    fine &= report(f"{name}: plan, shared by all workers", f"{len(plan) / 2**20:.1f} MiB")
    fine &= report(f"{name}: load", f"{load_ms:.1f} ms")
    return fine & report(f"{name}: match", f"{ns:.0f} ns", ns < MATCH_NS)


def regexes(count: int, rounds: int) -> bool:
    """Regular expressions of one host, and one that makes backtracking engines hang."""
    routes = tuple(
        Route(f"r{i}", (Match(f"/s{i}/[a-z]+/[0-9]+(/x)?", regex=True),), TARGET)
        for i in range(count)
    )
    snapshot = load_plan(build_plan(PlanModel(routes)), {"none": AnyTarget})
    asked: Requests = [(b"h", b"/s%d/abc/12" % (i * 7 % count), 1) for i in range(500)]
    us = least_ns(snapshot, asked, rounds) / 1000
    fine = report(f"{count} regexes of one host: match", f"{us:.2f} us", us < SET_US)
    repeat = (Route("r", (Match("/(a+)+$", regex=True),), TARGET),)
    snapshot = load_plan(build_plan(PlanModel(repeat)), {"none": AnyTarget})
    path = b"/" + b"a" * 8190 + b"b"
    us = least_ns(snapshot, [(b"h", path, 1)] * 50, rounds) / 1000
    return fine & report("(a+)+$ against 8 KiB: match", f"{us:.2f} us", us < REPEAT_US)


def main(argv: list[str]) -> int:
    """Measure; 1 when a figure is over its bar."""
    parse = argparse.ArgumentParser(prog="python -m bench router", description=__doc__)
    parse.add_argument("--rounds", type=int, default=7)
    parse.add_argument("--quick", action="store_true", help="a smoke test: no figure counts")
    args = parse.parse_args(argv)
    if debug.debug_build() and not args.quick:
        print("this is a debug build: ./dev build release first", file=sys.stderr)
        return 2
    many, rounds = (2000, 1) if args.quick else (MANY, args.rounds)
    fine = True
    for routes, hosts in ((10, 2), (many, many // 100), (many, 1), (many, many)):
        fine &= table(routes, hosts, rounds)
    fine &= regexes(100 if args.quick else 1000, rounds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report("this process, models and all", f"{peak:.0f} MiB")
    return 0 if fine or args.quick else 1
