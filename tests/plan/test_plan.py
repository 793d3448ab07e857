"""Plans in plain Python: the reader that the master uses, and the dump."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fastgw.plan import (
    Listener,
    Match,
    ObjectSpec,
    PlanError,
    PlanModel,
    PlanReader,
    Rewrite,
    Route,
    Step,
    build_plan,
    describe,
    read_listeners,
)

UP = ObjectSpec("http", "orders", {"servers": [{"url": "http://10.0.0.1:80"}]})
MODEL = PlanModel(
    (
        Route(
            "orders",
            (Match("/orders", True, "*.example.com", frozenset({"GET"})),),
            UP,
            (Step(ObjectSpec("headers", "h", {"set": 1}), "shadow", "pass", 250),),
            Rewrite("/orders", "/v1"),
        ),
        Route("all", (Match(),), UP),
    ),
    (Listener("http", ":80"), Listener("local", "unix:/run/x", {"mode": "0660"})),
    trusted_proxies=("10.0.0.0/8",),
    number=9,
)
PLAN = build_plan(MODEL)


def test_the_same_model_gives_the_same_bytes() -> None:
    assert build_plan(MODEL) == PLAN


def test_listeners_are_read_back() -> None:
    assert read_listeners(PLAN) == list(MODEL.listeners)
    assert PlanReader(PLAN).number == 9


def test_the_dump_tells_what_matters() -> None:
    text = "\n".join(describe(PLAN))
    for part in (
        "generation 9",
        "http: :80 {}",
        'local: unix:/run/x {"mode": "0660"}',
        "*.example.com/orders/* GET,HEAD -> orders",
        "  /* * -> all",
        "policy: headers 'h' shadow on_failure=pass timeout_ms=250",
        "rewrite: strip '/orders', prefix '/v1', told upstream, answers mapped back",
        "trusted proxy: 10.0.0.0/8",
        "endpoint orders http://10.0.0.1:80",
        "route all",
    ):
        assert part in text, part


@pytest.mark.parametrize("at", [0, 8, 12, 16, 24, 32, 60, len(PLAN) - 1])
def test_damage_is_said(at: int) -> None:
    damaged = bytearray(PLAN)
    damaged[at] ^= 0xFF
    with pytest.raises(PlanError):
        PlanReader(damaged)


@pytest.mark.parametrize("n", range(0, len(PLAN), 101))
def test_a_plan_cut_short_is_said(n: int) -> None:
    with pytest.raises(PlanError):
        PlanReader(PLAN[:n])


def test_a_route_whose_paths_do_not_begin_with_what_is_stripped_is_refused() -> None:
    route = Route("r", (Match("/orders-old"),), UP, rewrite=Rewrite("/orders"))
    with pytest.raises(PlanError, match="'/orders-old' is not below '/orders'"):
        build_plan(PlanModel((route,)))


def test_reading_needs_no_compiled_module() -> None:
    code = (
        "import sys, fastgw.plan\n"
        "bad = [n for n, m in sys.modules.items() if n.startswith('fastgw.')"
        " and getattr(m, '__file__', '').endswith('.so')]\n"
        "assert not bad, bad\n"
        "assert 'pydantic' not in sys.modules and 'yaml' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
