"""The examples of codes.toml: the wrong ones say what they should, the right ones nothing."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from fastgw.config.build import CommandLine, build
from fastgw.config.problems import Code, ConfigError, Problem, codes
from fastgw.config.server_urls import hosts_resolver
from fastgw.config.source import open_document
from fastgw.ext.policy.build import build_policy

FILE = "gateway.yaml"
SHOWN = {name: code for name, code in codes().items() if code.wrong}
#: What takes more than one small file to show.
UNSHOWN = {
    "FGW008", "FGW011", "FGW013", "FGW019", "FGW104", "FGW301", "FGW303", "FGW304", "FGW305",
    "FGW306", "FGW405",
}  # fmt: skip


def problems_of(text: str) -> list[Problem]:
    """Errors and warnings of a configuration; host names are not looked up."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILE
        file.write_text(text)
        try:
            build(
                open_document(str(file)), CommandLine(), hosts_resolver, build_policy, strict=True
            )
        except ConfigError as e:
            prefix = f"{folder}/"
            return [
                replace(p, file=FILE, message=p.message.replace(prefix, "")) for p in e.problems
            ]
    return []


def test_every_code_is_shown_that_can_be() -> None:
    assert set(codes()) - set(SHOWN) == UNSHOWN


@pytest.mark.parametrize(("name", "code"), SHOWN.items(), ids=list(SHOWN))
def test_the_wrong_one_says_it(name: str, code: Code) -> None:
    found = problems_of(code.wrong)
    assert [p.code for p in found] == [name]
    assert [p.severity for p in found] == [code.severity]
    assert (
        "\n".join(f"{p}\n{p.excerpt}" if p.excerpt else str(p) for p in found) + "\n" == code.says
    )


@pytest.mark.parametrize("name", [name for name, code in SHOWN.items() if code.right])
def test_the_right_one_says_nothing(name: str) -> None:
    assert [str(p) for p in problems_of(codes()[name].right)] == []
