"""`fastgw explain` tells what the gateway does, for every kind of matcher and action."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import pytest

from fastgw.config.compile import Compiled, compile_whole
from fastgw.config.explain import Explainer, of_file, of_plan
from fastgw.config.explanation import explanation_of
from tests.cli.agreement import CONFIG, LISTENERS, Client, agree, echoing, generated
from tests.process.gateway import Gateway
from tests.scenario.origin import Origin
from tests.tls.authority import Authority

#: 10,000 requests in parts, so that processes can share them.
SEEDS, EACH = range(4), 2500


@dataclass(frozen=True)
class Stage:
    """The configuration, what is told of it, and a gateway that runs it."""

    compiled: Compiled
    explainer: Explainer
    addresses: list[tuple[str, int]]
    own_hosts: dict[str, str]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for all requests."""
    folder = tmp_path_factory.mktemp("agreement")
    cert, key = Authority().issue("a.example", "*.b.example").write(folder, "a")
    with Origin(echoing("left")) as left, Origin(echoing("right")) as right:
        hosts = {name: f"{h}:{p}" for name, (h, p) in
                 (("left", left.address), ("right", right.address))}  # fmt: skip
        text = CONFIG.replace("LEFT", hosts["left"]).replace("RIGHT", hosts["right"])
        file = folder / "gateway.yaml"
        file.write_text(text.replace("CERT", str(cert)).replace("KEY", str(key)))
        compiled = compile_whole(str(file), {})
        command = ["run", str(file), "--workers", "1", "--run-dir", str(folder)]
        with Gateway([sys.executable, "-m", "fastgw", *command]) as gateway:
            found = [gateway.wait_for(r"listening on https?://([^:]+):(\d+)") for _ in LISTENERS]
            gateway.ready()
            addresses = [(one[1], int(one[2])) for one in found]
            yield Stage(compiled, of_file(compiled), addresses, hosts)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_told_is_what_the_gateway_does(seed: int, stage: Stage) -> None:
    client = Client(stage.addresses)
    routes: Counter[str | None] = Counter()
    parts = set()
    for asked in generated(seed, EACH):
        found = stage.explainer.explain(asked)
        got = client.ask(asked)
        try:
            agree(found, got, stage.own_hosts)
        except (AssertionError, KeyError):
            raise AssertionError(f"{found}\n{got}") from None
        routes[found.route] += 1
        if found.route == "split":
            parts.add(got.headers["x-upstream"])
    client.close()
    assert {None, *stage.explainer.routes} == set(routes)
    assert parts == {"left", "right"}


def test_listeners_stand_in_the_order_that_requests_are_made_for(stage: Stage) -> None:
    assert tuple(one.name for one in stage.explainer.listeners) == LISTENERS


def test_a_plan_alone_tells_the_same(stage: Stage) -> None:
    """But for where things are written and what only the file knows."""
    by_plan = of_plan(stage.compiled.plan)
    for asked in generated(7, 400):
        mine, its = stage.explainer.explain(asked), by_plan.explain(asked)
        for name in ("route", "status", "reason", "allow", "host", "path", "match", "parameters"):
            assert getattr(its, name) == getattr(mine, name), (name, asked)
        assert its.sent == mine.sent
        assert [p.key for p in its.policies] == [p.key for p in mine.policies]
        assert [(m.route, m.match, m.fits) for m in its.misses] == [
            (m.route, m.match, m.fits) for m in mine.misses
        ]


def test_an_explanation_travels_as_json(stage: Stage) -> None:
    for asked in generated(8, 100):
        found = stage.explainer.explain(asked)
        assert explanation_of(json.loads(json.dumps(asdict(found)))) == found
