"""Plugins are tried when a configuration is checked, whatever their code does."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from fastgw.config import plugins
from fastgw.config.child import Options, compile_in_child
from fastgw.config.compile import compile_whole
from fastgw.config.problems import ConfigError, Problem
from fastgw.plan import ObjectSpec
from tests.cli.kit import fastgw

CODE = """\
import os, signal, sys, time
import fastgw

class Right(fastgw.Policy):
    def on_request(self, request): ...

class Takes(fastgw.Policy):
    def __init__(self, options):
        self.limit = options["limit"]

class Fails(fastgw.Policy):
    def __init__(self):
        print("about to fail")
        raise RuntimeError("no database")

class Leaves(fastgw.Policy):
    def __init__(self):
        sys.exit(3)

class Ends(fastgw.Policy):
    def __init__(self):
        os._exit(0)

class Dies(fastgw.Policy):
    def __init__(self):
        os.kill(os.getpid(), signal.SIGKILL)

class Hangs(fastgw.Policy):
    def __init__(self):
        time.sleep(60)

class Eats(fastgw.Policy):
    def __init__(self):
        self.much = bytearray(8 << 30)

class Other: ...
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules can be imported."""
    (tmp_path / "shop_policies.py").write_text(CODE)
    (tmp_path / "broken_module.py").write_text("x = 1\nimport nothing_of_this_name\n")
    (tmp_path / "wrong_syntax.py").write_text("x = 1\ny = = 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def spec(name: str, **options: object) -> ObjectSpec:
    """A plugin of the module."""
    module, _, name = name.rpartition(":")
    return ObjectSpec("plugin", "p", {"class": f"{module or 'shop_policies'}:{name}",
                                      "options": options})  # fmt: skip


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (spec("Right"), ""),
        (spec("Takes", limit=3), ""),
        (spec("Takes"), "'shop_policies:Takes': KeyError: 'limit' (FOLDER/shop_policies.py:9)"),
        (spec("Right", limit=3), "Right takes no options"),
        (
            spec("Fails"),
            "'shop_policies:Fails': RuntimeError: no database (FOLDER/shop_policies.py:14)",
        ),
        (spec("Leaves"), "'shop_policies:Leaves': SystemExit: 3 (FOLDER/shop_policies.py:18)"),
        (spec("Ends"), "'shop_policies:Ends': ended its process with status 0"),
        (spec("Dies"), "'shop_policies:Dies': ended its process with signal 9"),
        pytest.param(
            spec("Eats"),
            "'shop_policies:Eats': MemoryError (FOLDER/shop_policies.py:34)",
            marks=pytest.mark.plain_build,
        ),
        (spec("Other"), "'shop_policies:Other': Other is not a subclass of fastgw.Policy"),
        (spec("None_such"), "'shop_policies:None_such': shop_policies has no None_such"),
        (spec("no_module:A"), "'no_module:A': No module named 'no_module'"),
        (
            spec("broken_module:A"),
            "'broken_module:A': No module named 'nothing_of_this_name' (FOLDER/broken_module.py:2)",
        ),
    ],
    ids=lambda v: v.options["class"] if isinstance(v, ObjectSpec) else "",
)
def test_what_is_wrong_with_a_plugin(one: ObjectSpec, said: str, folder: Path) -> None:
    (found,) = plugins.try_plugins([one])
    assert found.replace(str(folder), "FOLDER") == said


def test_syntax_is_said_with_its_line(folder: Path) -> None:
    (found,) = plugins.try_plugins([spec("wrong_syntax:A")])
    assert "SyntaxError" in found and "'wrong_syntax:A'" in found


def test_one_that_ends_its_process_takes_no_other_with_it(folder: Path) -> None:
    found = plugins.try_plugins([spec("Right"), spec("Dies"), spec("Right"), spec("Ends")])
    assert [bool(text) for text in found] == [False, True, False, True]


def test_one_that_hangs_is_given_up(folder: Path) -> None:
    begin = time.monotonic()
    found = plugins.try_plugins([spec("Right"), spec("Hangs"), spec("Right")], timeout_s=3.0)
    assert found == ["", "'shop_policies:Hangs': took longer than 3 s", ""]
    assert time.monotonic() - begin < 30


# -- in a configuration ----------------------------------------------------------------------

CONFIG = """\
version: 1
policies:
  shared: {plugin: "shop_policies:Fails"}
  unused: {plugin: "no_module:A"}
routes:
  a: {match: /a, plugin: "shop_policies:Right", respond: 404}
  b: {match: /b, plugin: {class: "no_module:A"}, respond: 404}
  c: {match: /c, policies: [shared], respond: 404}
  d: {match: /d, policies: [shared], respond: 404}
"""
SAID = [
    "gateway.yaml:3:20: policies.shared.plugin: 'shop_policies:Fails': RuntimeError: no"
    " database (shop_policies.py:14) [FGW504]",
    "gateway.yaml:7:34: routes.b.plugin.class: 'no_module:A': No module named 'no_module' [FGW504]",
]


def lines(found: list[Problem], folder: Path) -> list[str]:
    """As they are printed, without the folder."""
    return sorted(str(p).replace(f"{folder}/", "") for p in found)


def test_a_check_says_it_with_the_line(folder: Path) -> None:
    file = folder / "gateway.yaml"
    file.write_text(CONFIG)
    result = fastgw("check", file, "--json")
    assert result.exit_code == 2
    found = [Problem(**row) for row in json.loads(result.stdout)]
    assert lines([p for p in found if p.severity == "error"], folder) == SAID
    with pytest.raises(ConfigError) as caught:
        compile_in_child(str(file), Options())
    assert lines(caught.value.problems, folder) == SAID


def test_nothing_runs_where_a_configuration_is_only_looked_at(folder: Path) -> None:
    file = folder / "gateway.yaml"
    file.write_text(CONFIG)
    assert compile_whole(str(file), {}, offline=True).plan
    assert fastgw("routes", file).exit_code == 0
    assert "shop_policies" not in sys.modules


def test_other_errors_come_first(folder: Path) -> None:
    file = folder / "gateway.yaml"
    file.write_text(CONFIG + "  e: {match: nowhere, respond: 404}\n")
    result = fastgw("check", file)
    assert "FGW504" not in result.output and "routes.e.match" in result.output
