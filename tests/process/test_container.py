"""The master as process 1 of a container: in a pid namespace of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.process.gateway import Gateway, is_control
from tests.process.service import ask, configuration, connect, upstream_origin

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("nsenter"),
    reason="namespaces are root's to make",
)


def contained(run_dir: Path, file: Path) -> Gateway:
    """`fastgw run` as process 1."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    command += [sys.executable, "-m", "fastgw", "run", str(file), "--workers", "1"]
    return Gateway([*command, "--run-dir", str(run_dir)])


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def names(pid: int) -> set[str]:
    """What the children of a process are."""
    found = set()
    for child in children(pid):
        try:
            found.add(Path(f"/proc/{child}/comm").read_text().strip())
        except OSError:
            continue
    return found


def until(what: str, is_so: object) -> None:
    end = time.monotonic() + 15
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.005)


def test_children_of_strangers_are_buried_and_ours_are_looked_after(tmp_path: Path) -> None:
    with upstream_origin() as origin:
        file = tmp_path / "gateway.yaml"
        file.write_text(configuration(origin))
        with contained(tmp_path, file) as gateway:
            address = gateway.address()
            gateway.ready()
            (master,) = children(gateway.process.pid)
            # Its parent ends at once, so it becomes a child of process 1; then it ends itself.
            orphan = ["nsenter", "-t", str(master), "-p", "sh", "-c", "sleep 0.7 & exit 0"]
            subprocess.run(orphan, check=True, timeout=15)
            until("the orphan is no child of process 1", lambda: "sleep" in names(master))
            until("the orphan was not buried", lambda: "sleep" not in names(master))
            before = children(master)
            (worker,) = (
                pid
                for pid in before
                if Path(f"/proc/{pid}/comm").read_text().startswith("fastgw-w")
            )
            os.kill(worker, signal.SIGKILL)
            gateway.wait_for(r"ended: killed by SIGKILL; next one at once")
            gateway.wait_for("ready after")
            with connect(address) as client:
                assert ask(client).endswith(b"ok")
            assert any(is_control(pid) for pid in children(master))
            os.kill(master, signal.SIGUSR2)
            gateway.wait_for("upgrade: process 1 of a container can't be replaced")
            os.kill(master, signal.SIGTERM)
            assert gateway.wait() == 0
