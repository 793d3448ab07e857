"""The compiler as a process, and its parent's half."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastgw.config.child import CompilerCrashed, Options, compile_in_child
from fastgw.config.problems import ConfigError
from fastgw.ext.route.load import load_plan
from fastgw.ext.testing.route_doors import AnyPolicy, AnyTarget, match
from fastgw.plan import read_listeners

BUILDERS = {"http": AnyTarget, "none": AnyTarget, "respond": AnyPolicy}


def test_a_file_becomes_a_plan_that_a_worker_can_load(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text(
        "version: 1\nroutes:\n  a: {match: x.com/a/*, upstream: 'http://127.0.0.1:9'}\n"
        "  b: {match: /b, respond: 404}\n",
        encoding="utf-8",
    )
    plan = compile_in_child(str(file), Options(listen=["127.0.0.1:0"], number=5))
    snapshot = load_plan(plan, BUILDERS)
    assert snapshot.number == 5
    assert [listener.address for listener in read_listeners(plan)] == ["127.0.0.1:0"]
    assert snapshot.route_names() == ["a", "b"]
    assert match(snapshot, b"x.com", b"/a/1", 1)[0] == 0
    assert match(snapshot, b"", b"/b", 1)[0] == 1


def test_the_command_line_alone_is_enough() -> None:
    plan = compile_in_child(None, Options(to=["http://127.0.0.1:9000"], limits={"body": "none"}))
    snapshot = load_plan(plan, BUILDERS)
    assert match(snapshot, b"any", b"/thing", 3)[0] == 0


def test_problems_cross_the_border_whole(tmp_path: Path) -> None:
    file = tmp_path / "-g.yaml"
    file.write_text("version: 1\nroutes: {a: {match: /a, upstram: x}}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        compile_in_child(str(file), Options())
    assert [str(p) for p in caught.value.problems] == [
        f"{file}:2:25: routes.a.upstram: unknown key (did you mean 'upstream'?) [FGW003]",
    ]


def test_a_compiler_that_takes_too_long_is_ended() -> None:
    with pytest.raises(CompilerCrashed, match=r"longer than 0\.01 s"):
        compile_in_child(None, Options(to=["http://127.0.0.1:9000"]), timeout_s=0.01)


def test_a_crash_is_not_a_problem_of_the_configuration() -> None:
    with pytest.raises(CompilerCrashed, match="invalid int value|ValueError"):
        compile_in_child(None, Options(number="x"))  # type: ignore[arg-type]


def test_the_parents_half_needs_neither_yaml_nor_pydantic() -> None:
    code = (
        "import sys, fastgw.config.child\n"
        "assert not {'yaml', 'pydantic'} & set(sys.modules), 'too much is imported'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


@pytest.mark.parametrize("timeout_s", [60.0, 0.01])
def test_without_pidfd_open(monkeypatch: pytest.MonkeyPatch, timeout_s: float) -> None:
    """An old kernel, or a sandbox, that has no such system call."""

    def refused(pid: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "pidfd_open", refused)
    options = Options(to=["http://127.0.0.1:9000"])
    if timeout_s < 1:
        with pytest.raises(CompilerCrashed, match="took longer"):
            compile_in_child(None, options, timeout_s=timeout_s)
    else:
        assert compile_in_child(None, options, timeout_s=timeout_s)[:7] == b"FGWPLAN"
