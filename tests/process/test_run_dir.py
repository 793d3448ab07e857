"""Where the run directory is, and that one gateway has it at a time."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from fastgw.run_dir import HeldError, Lock, RunDirError, base_folder, check_private, run_folder
from tests.process.gateway import fake


def test_where_it_is() -> None:
    assert base_folder("/x", {"RUNTIME_DIRECTORY": "/y"}, 0) == (Path("/x"), False)
    assert base_folder(None, {"RUNTIME_DIRECTORY": "/y:/z"}, 0) == (Path("/y"), False)
    assert base_folder(None, {"XDG_RUNTIME_DIR": "/u"}, 0) == (Path("/run/fastgw"), False)
    assert base_folder(None, {"XDG_RUNTIME_DIR": "/u"}, 7) == (Path("/u/fastgw"), False)
    folder, shared = base_folder(None, {}, 7)
    assert folder.name == "fastgw-7"
    assert shared


@pytest.mark.parametrize("name", ["", "A", "../x", "-x", "x" * 64, "x/y"])
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunDirError):
        run_folder(str(tmp_path), name)


def test_folder_prepared_by_others_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.mkdir(mode=0o700)
    check_private(target, os.geteuid())
    with pytest.raises(RunDirError, match="belongs to"):
        check_private(target, os.geteuid() + 1)
    target.chmod(0o770)
    with pytest.raises(RunDirError, match="open to others"):
        check_private(target, os.geteuid())
    link = tmp_path / "link"
    link.symlink_to(target)
    with pytest.raises(RunDirError, match="not a directory"):
        check_private(link, os.geteuid())


def test_lock_names_its_holder(tmp_path: Path) -> None:
    first, second = Lock(tmp_path), Lock(tmp_path)
    first.take()
    with pytest.raises(HeldError) as held:
        second.take()
    assert held.value.pid == os.getpid()
    first.release()
    second.take()
    second.release()


def test_second_run_names_the_first(tmp_path: Path) -> None:
    with fake(tmp_path) as first:
        first.ready()
        with fake(tmp_path) as second:
            assert second.wait() == 1
        assert f"already running (pid {first.process.pid}," in second.log
        with fake(tmp_path, name="other") as third:
            third.ready()


def test_lock_is_free_when_the_master_was_killed(tmp_path: Path) -> None:
    """Workers do not keep the lock: theirs is closed after the fork."""
    with fake(tmp_path) as first:
        first.ready()
        workers = first.workers()
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        first.process.kill()
        first.process.wait(10)
        with fake(tmp_path) as second:
            second.ready()
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
