"""The snippets of docs/policies: they parse, and what they configure can be built."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import yaml

from fastgw.ext.policy.build import KINDS, build_policy
from fastgw.ext.policy.template import VARIABLES

PAGES = Path(__file__).parents[2] / "docs" / "policies"
#: What a short form stands for.
SHORT = {"health": "probe", "plugin": "class", "redirect": "to", "respond": "status"}


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page."""
    return re.findall(rf"```{language}\n(.*?)```", (PAGES / page).read_text(), re.DOTALL)


def policies(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The policies of a configuration, long forms of their options."""
    found = []
    for route in yaml.safe_load(text)["routes"].values():
        for kind in KINDS.keys() & route.keys():
            options = route[kind]
            if not isinstance(options, dict):
                options = {SHORT[kind]: options}
            found.append((kind, {k: v for k, v in options.items() if k != "timeout"}))
    return found


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module that plugin.md shows."""
    module = types.ModuleType("shop.policies")
    exec(compile(blocks("plugin.md", "python")[0], "plugin.md", "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, "shop", types.ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.policies", module)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_snippets_build(kind: str) -> None:
    found = [one for text in blocks(f"{kind}.md", "yaml") for one in policies(text)]
    assert kind in dict(found)
    for name, options in found:
        assert build_policy(name, "page", options).kind == name


@pytest.mark.usefixtures("shop")
def test_plugin_test_runs() -> None:
    scope: dict[str, Any] = {}
    exec(compile(blocks("plugin.md", "python")[1], "plugin.md", "exec"), scope)
    scope["test_closed"]()


def test_every_variable_is_described() -> None:
    page = (PAGES / "headers.md").read_text()
    assert [name for name in VARIABLES if f"`{{{name}}}`" not in page] == []
