"""How verbs end: one line and a documented exit code, whatever they are given."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fastgw.cli.main import main
from tests.cli.kit import fastgw
from tests.meta.tree import ROOT

RIGHT = "version: 1\nroutes: {a: {match: /a, respond: 404}}\n"
DEADLINE_S = 60
COMMAND = f"{sys.executable} -m fastgw"
#: A verb and its words but the file.
READERS = (["check"], ["routes"], ["show"], ["explain", "GET", "/a", "-c"], ["fmt"], ["diff", "X"])


def in_shell(text: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A line of bash in which `fastgw` is the command."""
    line = f'fastgw() {{ {COMMAND} "$@"; }}; {text}'
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip


# -- a wrong command line --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["chekc"], "fastgw: No such command 'chekc'. Did you mean 'check'? (see fastgw --help)"),
        (
            ["check"],
            "fastgw check: no configuration: give a FILE, or set FASTGW_CONFIG"
            " (see fastgw check --help)",
        ),
        (
            ["check", "--jsn", "x"],
            "fastgw check: No such option '--jsn'. Did you mean '--json'?"
            " (see fastgw check --help)",
        ),
        (
            ["completion"],
            "fastgw completion: Missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish"
            " (see fastgw completion --help)",
        ),
        (
            ["show"],
            "fastgw show: nothing to show: give a FILE, or --to URL (see fastgw show --help)",
        ),
        (
            ["status", "--name", "../x"],
            "fastgw status: Invalid value for '--name': '../x' is no name: a-z, 0-9, '.', '_', '-',"
            " 63 at the most (see fastgw status --help)",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(words: list[str], line: str) -> None:
    result = fastgw(*words)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{line}\n")


def test_without_a_verb_there_is_help() -> None:
    result = fastgw()
    assert result.exit_code == 2
    assert "Write a configuration:" in result.output


def test_every_verb_is_listed_once_and_its_summary_whole() -> None:
    text = fastgw("--help").stdout
    rows = [line.split()[0] for line in text.splitlines() if line[:2] == "  " and line[2:3] != " "]
    assert sorted(verb for verb in rows if verb in main.commands) == sorted(main.commands)
    assert "..." not in text.partition("\n")[2]


def test_the_version_is_an_option_too() -> None:
    result = fastgw("--version")
    assert (result.exit_code, result.stdout.split()[0]) == (0, "fastgw")


# -- what is no configuration ------------------------------------------------------------------


@pytest.mark.parametrize("words", READERS, ids=lambda words: words[0])
@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "binary"])
def test_what_is_no_configuration_is_named(words: list[str], kind: str, tmp_path: Path) -> None:
    file = tmp_path / "it"
    if kind == "folder":
        file.mkdir()
    elif kind == "fifo":
        os.mkfifo(file)
    elif kind == "binary":
        file.write_bytes(bytes(range(256)) * 64)
    (tmp_path / "X").write_text(RIGHT)
    given = [str(tmp_path / "X") if word == "X" else word for word in words]
    result = fastgw(*given, file)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{file}: ")
    assert len(result.stderr.splitlines()) <= 2


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    """As a user without rights; root has them all, unless it gives them away."""
    file = tmp_path / "g.yaml"
    file.write_text(RIGHT)
    file.chmod(0)
    drop = "setpriv --inh-caps=-dac_override,-dac_read_search"
    drop += " --bounding-set=-dac_override,-dac_read_search"
    command = f"{drop if os.geteuid() == 0 else ''} {COMMAND}"
    for verb in ("check", "fmt", "routes"):
        said = in_shell(f"{command} {verb} g.yaml", tmp_path)
        assert said.returncode == 2
        assert "g.yaml" in said.stderr
        assert "Traceback" not in said.stderr


# -- fmt replaces files, so it looks twice -----------------------------------------------------


def test_only_regular_files_of_yaml_are_replaced(tmp_path: Path) -> None:
    pipe, program = tmp_path / "pipe.yaml", tmp_path / "gateway.py"
    os.mkfifo(pipe)
    program.write_text("config  = {}\n")
    result = fastgw("fmt", pipe, program)
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        f"{pipe}: Not a regular file",
        f"{program}: Python, which is left to formatters of Python",
    ]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert program.read_text() == "config  = {}\n"


@pytest.mark.parametrize("text", ["", "# only this\n"])
def test_what_holds_nothing_stays_as_it_is(text: str, tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text(text)
    assert fastgw("fmt", file).exit_code == 0
    assert file.read_text() == text


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "g.yaml", tmp_path / "link.yaml"
    file.write_text("version:   1\n")
    link.symlink_to(file)
    assert fastgw("fmt", link).exit_code == 0
    assert link.is_symlink()
    assert file.read_text() == "version: 1\n"


def test_what_cannot_be_written_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "g.yaml"
    file.write_text("version:   1\n")

    def refuse(*_words: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    result = fastgw("fmt", file)
    assert (result.exit_code, result.stderr) == (1, f"{file}: left as it is: Permission denied\n")
    assert [p.name for p in tmp_path.iterdir()] == ["g.yaml"]
    assert file.read_text() == "version:   1\n"


# -- outputs and signals -----------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a right configuration, and one that is longer than a pipe holds."""
    (tmp_path / "g.yaml").write_text(RIGHT)
    rows = (f"  r{i}: {{match: /r{i}/x, respond: 404}}\n" for i in range(2500))
    (tmp_path / "long.yaml").write_text("version: 1\nroutes:\n" + "".join(rows))
    return tmp_path


@pytest.mark.parametrize("words", ["routes long.yaml", "diff g.yaml long.yaml"])
def test_a_reader_that_leaves_is_no_fault(words: str, folder: Path) -> None:
    done = in_shell(f"fastgw {words} | head -1 | wc -l; echo ${{PIPESTATUS[0]}}", folder)
    assert done.stdout.split() == ["1", "141"]
    assert done.stderr == ""


def test_a_full_disk_is_said(folder: Path) -> None:
    done = in_shell("fastgw routes g.yaml > /dev/full", folder)
    assert (done.returncode, done.stderr) == (1, "fastgw: output: No space left on device\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_streams_may_be_closed(closed: str, folder: Path) -> None:
    done = in_shell(f"fastgw routes g.yaml {closed}", folder)
    assert (done.returncode, done.stderr) == (0, "")


SLOW = """\
import pathlib, time
pathlib.Path("begun").touch()
time.sleep(60)
config = {}
"""


def test_ctrl_c_ends_a_verb_without_a_word(folder: Path) -> None:
    """While the file, which is a program, runs."""
    (folder / "slow.py").write_text(SLOW.replace('pathlib.Path("begun").touch()', ""))
    with subprocess.Popen(
        [sys.executable, "-m", "fastgw", "check", "slow.py"], cwd=folder, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as verb:  # fmt: skip
        children = Path(f"/proc/{verb.pid}/task/{verb.pid}/children")
        while not children.read_text().split():
            assert verb.poll() is None
        verb.send_signal(signal.SIGINT)
        _, errors = verb.communicate(timeout=DEADLINE_S)
    assert (verb.returncode, errors.strip()) == (130, "")


def test_ctrl_c_ends_imports_without_a_word() -> None:
    """As the entry does; a module that is imported for ever stands for a slow disk."""
    code = (
        "import signal, sys, os, fastgw.__main__ as way\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Slow:\n"
        "    def find_spec(self, name, *more):\n"
        "        if name == 'fastgw.cli.main': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Slow())\n"
        "way.entry()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=DEADLINE_S,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


# -- which gateway -----------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["status", "reload", "upgrade", "stop", "explain"])
def test_the_environment_says_which_gateway_for_every_verb(verb: str, tmp_path: Path) -> None:
    words = ["GET", "/", "--running"] if verb == "explain" else []
    env = {"FASTGW_RUN_DIR": str(tmp_path), "FASTGW_NAME": "other"}
    result = fastgw(verb, *words, env=env)
    assert result.exit_code == 1
    assert "no gateway runs here: " in result.stderr
    assert f"{tmp_path}/other/" in result.stderr
    flagged = fastgw(verb, *words, "--name", "third", env=env)
    assert f"{tmp_path}/third/" in flagged.stderr


# -- filters of `routes` -----------------------------------------------------------------------


def test_a_filter_that_nothing_fits_says_so(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text(
        "version: 1\nupstreams: {orders: http://127.0.0.1:1}\n"
        "routes: {a: {match: /a, upstream: orders}}\n"
    )
    result = fastgw("routes", file, "--upstream", "order")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "none of 1 routes fits (did you mean 'orders'?)\n"
    assert fastgw("routes", file, "--name", "x").stderr == "none of 1 routes fits\n"
