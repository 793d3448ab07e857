"""`fastgw check`: typical mistakes end in a message that names the line and the cure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.kit import fastgw

#: NAME.yaml holds a typical mistake, NAME.txt all that `fastgw check` says of it.
MISTAKES = sorted((Path(__file__).parent / "mistakes").glob("*.yaml"))
RIGHT = "version: 1\nroutes: {a: {match: /a, respond: 404}}\n"
WARNS = "version: 1\nupstreams: {u: http://10.0.0.1}\nroutes: {a: {match: /a, respond: 404}}\n"


def said(file: Path, *words: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a check, with the bare name of the file."""
    result = fastgw("check", file, *words)
    folder = f"{file.parent}/"
    return result.exit_code, result.stdout.replace(folder, ""), result.stderr.replace(folder, "")


def test_there_are_enough_of_them() -> None:
    assert len(MISTAKES) >= 30


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.stem)
def test_a_mistake_is_named_with_line_and_cure(mistake: Path) -> None:
    code, out, errors = said(mistake)
    assert (code, out) == (2, "")
    assert errors == mistake.with_suffix(".txt").read_text(encoding="utf-8")
    assert f"{mistake.name}:" in errors
    assert "Traceback" not in errors


def test_a_right_file_is_ok(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text(RIGHT)
    assert said(file) == (0, "g.yaml: ok (1 route, 0 upstreams)\n", "")


def test_warnings_are_said_and_are_errors_if_asked(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text(WARNS)
    shown = (
        "g.yaml:2:13: warning: upstreams.u: is used by no route [FGW111]\n"
        "    2 | upstreams: {u: http://10.0.0.1}\n      |             ^\n1 warning\n"
    )
    assert said(file) == (0, "g.yaml: ok (1 route, 1 upstream)\n", shown)
    assert said(file, "--strict") == (2, "", shown)


def test_problems_as_json(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text("version: 1\nroutes: {a: {match: /a, upstraem: x}}\n")
    code, out, errors = said(file, "--json")
    (problem,) = json.loads(out)
    assert (code, errors) == (2, "")
    assert (problem["code"], problem["line"], problem["column"]) == ("FGW003", 2, 25)
    assert problem["path"] == "routes.a.upstraem"
    file.write_text(RIGHT)
    assert said(file, "--json") == (0, "[]\n", "")


def test_offline_looks_nothing_up(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text("version: 1\nroutes: {a: {match: /a, upstream: 'http://no.such.invalid'}}\n")
    assert said(file, "--offline")[0] == 0


def test_a_file_is_named_somehow(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text(RIGHT)
    assert fastgw("check", env={"FASTGW_CONFIG": str(file)}).exit_code == 0
    assert fastgw("check", "-c", file).exit_code == 0
    assert fastgw("check").exit_code == 2
    assert fastgw("check", file, "-c", file).exit_code == 2
    assert fastgw("check", tmp_path / "none.yaml").exit_code == 2


def test_no_secret_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text(
        "version: 1\nlisten: {h: '${env:SECRET}'}\n"
        "routes: {a: {match: '/${env:SECRET}{', upstream: '${env:SECRET}'}}\n"
    )
    result = fastgw("check", file, env={"SECRET": "geheim:99999x"})
    assert result.exit_code == 2
    assert "geheim" not in result.output
    assert "${env:SECRET}" in result.output


def test_many_errors_are_cut_off_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    rows = "".join(f"  r{i}: {{match: /r{i}, upstraem: x}}\n" for i in range(250))
    file.write_text("version: 1\nroutes:\n" + rows)
    errors = said(file)[2]
    assert errors.count("[FGW003]") == 100
    assert errors.endswith("250 errors, the first 100 shown\n")
