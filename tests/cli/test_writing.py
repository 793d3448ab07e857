"""The verbs that write: fmt, init, completion; and what the options of `run` mean."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fastgw.cli.main import main
from fastgw.cli.run import run
from fastgw.cli.source import read_source
from tests.cli.kit import fastgw
from tests.meta.tree import ROOT

UGLY = """\
# the gateway
version:   1
routes:
      a:      # first
            match:   /a
            respond:   404


      b: {match: /b,   respond: 404}
      c:
            match: {path: "/c", method: [GET,
                PUT]}
            respond: {body: "yes\\n"}
            policies:
            - ip: {deny: [10.0.0.1]}
"""
FORMED = """\
# the gateway
version: 1
routes:
  a:          # first
    match: /a
    respond: 404

  b: {match: /b, respond: 404}
  c:
    match: {path: "/c", method: [GET, PUT]}
    respond: {body: "yes\\n"}
    policies:
      - ip: {deny: [10.0.0.1]}
"""


# -- fmt -----------------------------------------------------------------------------------


def test_one_form_with_comments_and_order_kept(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text(UGLY)
    file.chmod(0o640)
    assert fastgw("fmt", "--check", file).exit_code == 1
    shown = fastgw("fmt", "--diff", file)
    assert (shown.exit_code, "+  a:          # first\n" in shown.stdout) == (0, True)
    assert file.read_text() == UGLY
    assert fastgw("fmt", file).exit_code == 0
    assert file.read_text() == FORMED
    assert file.stat().st_mode & 0o777 == 0o640
    assert fastgw("fmt", "--check", file).exit_code == 0
    assert [p.name for p in tmp_path.iterdir()] == ["g.yaml"]


def test_the_form_has_the_same_meaning(tmp_path: Path) -> None:
    text = (
        'version: 1\nroutes: {a: {match: "/${env:X}", respond: 010, '
        "b: 'yes', c: \"1\", d: 0x1F, e: 1e3}}\n"
    )
    file = tmp_path / "g.yaml"
    file.write_text(text)
    assert fastgw("fmt", file).exit_code == 0
    from fastgw.config.formatting import Verbatim
    from fastgw.config.reader import read_text

    after = read_text("x", file.read_text(), Verbatim()).value
    assert after == read_text("x", text, Verbatim()).value


def test_another_meaning_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastgw.config import formatting

    monkeypatch.setattr(formatting, "_round_trip", lambda text: text.replace("404", "403"))
    file = tmp_path / "g.yaml"
    file.write_text("version: 1\nroutes: {a: {match: /a, respond: 404}}\n")
    result = fastgw("fmt", file)
    assert result.exit_code == 1
    assert "left as it is: the result would mean something else" in result.stderr
    assert "404" in file.read_text()


def test_what_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text("version: 1\nversion: 1\n")
    result = fastgw("fmt", file, tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert "[FGW002]" in result.stderr
    assert "none.yaml: No such file or directory" in result.stderr
    assert file.read_text() == "version: 1\nversion: 1\n"


# -- init ----------------------------------------------------------------------------------


def test_the_starter_is_right_and_in_form(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    assert fastgw("init", file).exit_code == 0
    assert fastgw("check", "--strict", file).exit_code == 0
    assert fastgw("fmt", "--check", file).exit_code == 0
    assert fastgw("init", file).exit_code == 1
    assert fastgw("init", "--force", file).exit_code == 0
    assert fastgw("init", tmp_path / "no/such/folder.yaml").exit_code == 1


# -- completion ----------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_read_by_their_shells(shell: str, tmp_path: Path) -> None:
    script = fastgw("completion", shell)
    assert script.exit_code == 0
    assert "_FASTGW_COMPLETE" in script.stdout
    if shutil.which(shell) is None:
        return  # its syntax can't be checked here
    file = tmp_path / "script"
    file.write_text(script.stdout)
    subprocess.run([shell, "-n", str(file)], check=True, timeout=20)


def test_verbs_and_options_are_completed() -> None:
    words = {"COMP_WORDS": "fastgw sh", "COMP_CWORD": "1", "_FASTGW_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-c",
         "from fastgw.cli.main import main; main(prog_name='fastgw')"],
        env={**os.environ, **words}, capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["plain,show"]


# -- options -------------------------------------------------------------------------------


def source(*words: str, env: dict[str, str] | None = None) -> dict[str, object]:
    """What `fastgw run` would have the compiler read."""
    found: list[dict[str, object]] = []

    @click.pass_context
    def take(ctx: click.Context, **options: object) -> None:
        found.append(read_source(options))

    from click.testing import CliRunner

    command = type(run)("run", callback=take, params=run.params)
    result = CliRunner(env=env).invoke(command, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return found[0]


def test_flags_go_before_the_environment_which_goes_before_the_file() -> None:
    env = {
        "FASTGW_CONFIG": "env.yaml",
        "FASTGW_LISTEN": ":81 :82",
        "FASTGW_TIMEOUT_CONNECT": "1s",
        "FASTGW_LIMIT_FIELDS": "50",
    }
    assert source(env=env) == {
        "file": "env.yaml",
        "options": {
            "listen": [":81", ":82"],
            "timeouts": {"connect": "1s"},
            "limits": {"fields": 50},
        },
    }
    assert source("flag.yaml", "--listen", ":90", "--timeout-connect", "2s", env=env) == {
        "file": "flag.yaml",
        "options": {"listen": [":90"], "timeouts": {"connect": "2s"}, "limits": {"fields": 50}},
    }
    assert source("-c", "c.yaml", env=env)["file"] == "c.yaml"


def test_what_the_flags_serve_goes_before_what_the_environment_does() -> None:
    assert source("--to", "http://a", env={"FASTGW_CONFIG": "env.yaml"}) == {
        "file": None,
        "options": {"to": ["http://a"]},
    }
    assert source("g.yaml", env={"FASTGW_TO": "http://a"}) == {"file": "g.yaml", "options": {}}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing to run: give a FILE, or --to URL"),
        (["a.yaml", "--to", "http://b"], "FILE and --to exclude each other"),
        (["a.yaml", "-c", "b.yaml"], "-c FILE and FILE are the same; give one"),
        (["a.yaml", "--workers", "many"], "'many' is neither 'auto' nor a number"),
        (["a.yaml", "--no-such"], "No such option"),
    ],
)
def test_a_wrong_command_line_is_one_clear_line(words: list[str], says: str) -> None:
    result = fastgw("run", *words)
    assert result.exit_code == 2
    assert says in result.stderr.splitlines()[-1]


def test_a_wrong_variable_is_named() -> None:
    result = fastgw("run", "a.yaml", env={"FASTGW_WORKERS": "many"})
    assert result.exit_code == 2
    assert "FASTGW_WORKERS" in result.stderr


# -- help ----------------------------------------------------------------------------------


def test_help_has_what_people_tune_first_first() -> None:
    out = fastgw("run", "--help").stdout
    heads = [line.rstrip(":") for line in out.splitlines() if line.endswith(":") and line[0] != " "]
    assert heads[:2] == ["What it serves", "Processes"]
    assert heads[-1] == "Options"
    assert {"Timeouts (for `defaults`; a route may say otherwise)",
            "Limits (for `defaults`; a route may say otherwise)"} < set(heads)  # fmt: skip


@pytest.mark.parametrize("verb", sorted(main.commands))
def test_every_verb_has_help_and_exit_codes_are_said(verb: str) -> None:
    result = fastgw(verb, "--help")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 4
    assert "Exit codes: 0 done, 1 failed" in fastgw("--help").stdout


def test_every_verb_is_in_the_docs() -> None:
    page = (ROOT / "docs/command-line.md").read_text()
    assert {verb for verb in main.commands if f"| `{verb}` |" not in page} == set()


def test_every_option_of_run_has_a_variable() -> None:
    for parameter in run.params:
        if isinstance(parameter, click.Option) and parameter.name != "help":
            assert parameter.envvar == f"FASTGW_{str(parameter.name).upper()}", parameter.name
