"""How many workers and connections a machine can carry."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.master.machine import (
    RESERVED_FDS,
    Connections,
    cgroup_quota,
    connections_for,
    usable_cpus,
)


def fake_proc(tmp_path: Path, cgroup: str, mounts: str) -> Path:
    """A /proc with our cgroup in it."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text(cgroup)
    (tmp_path / "self/mountinfo").write_text(mounts)
    return tmp_path


def v2(tmp_path: Path, quotas: dict[str, str], ours: str) -> Path:
    """A unified hierarchy with cpu.max files."""
    top = tmp_path / "fs"
    for folder, quota in quotas.items():
        (top / folder).mkdir(parents=True, exist_ok=True)
        (top / folder / "cpu.max").write_text(quota + "\n")
    mount = f"30 23 0:26 / {top} rw,nosuid - cgroup2 cgroup2 rw\n"
    return fake_proc(tmp_path, f"0::/{ours}\n", mount)


@pytest.mark.parametrize(
    ("affinity", "quota", "workers"),
    [
        (8, "max 100000", 8),
        (8, "200000 100000", 2),
        (2, "800000 100000", 2),
        (8, "50000 100000", 1),
        (8, "350000 100000", 3),
    ],
)
def test_workers_by_affinity_and_quota(
    tmp_path: Path, affinity: int, quota: str, workers: int
) -> None:
    assert usable_cpus(affinity, v2(tmp_path, {"a": quota}, "a")) == workers


def test_strictest_ancestor_counts(tmp_path: Path) -> None:
    proc = v2(tmp_path, {"a": "100000 100000", "a/b": "400000 100000", "a/b/c": "max 100000"},
              "a/b/c")  # fmt: skip
    assert cgroup_quota(proc) == 1.0


def test_version_1(tmp_path: Path) -> None:
    folder = tmp_path / "cpu/box"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("150000\n")
    (folder / "cpu.cfs_period_us").write_text("50000\n")
    mounts = f"31 23 0:27 / {tmp_path}/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    proc = fake_proc(tmp_path, "4:memory:/x\n3:cpu,cpuacct:/box\n", mounts)
    assert cgroup_quota(proc) == 3.0
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    assert cgroup_quota(proc) is None


def test_container_sees_its_cgroup_as_the_root(tmp_path: Path) -> None:
    """The path of the host is not below the mount; the mount is our cgroup."""
    top = tmp_path / "fs"
    top.mkdir()
    (top / "cpu.max").write_text("200000 100000\n")
    mount = f"30 23 0:26 /docker/x {top} rw - cgroup2 cgroup2 rw\n"
    assert cgroup_quota(fake_proc(tmp_path, "0::/docker/x\n", mount)) == 2.0


def test_no_cgroup_at_all(tmp_path: Path) -> None:
    assert cgroup_quota(tmp_path) is None
    assert usable_cpus(3, tmp_path) == 3


def test_connections_leave_room_for_upstreams() -> None:
    assert connections_for(1_048_576).clients == (1_048_576 - 128) * 2 // 3
    assert connections_for(20_000).clients > 11_000
    assert connections_for(64) == Connections(clients=16, idle_upstreams=4)
    assert connections_for(1024) == Connections(clients=597, idle_upstreams=149)


@given(st.integers(152, 1 << 20))
def test_all_that_is_granted_fits(descriptors: int) -> None:
    """With as many connections to upstreams in use as may be idle."""
    granted = connections_for(descriptors)
    assert granted.clients + 2 * granted.idle_upstreams <= descriptors - RESERVED_FDS
    assert granted.idle_upstreams >= 1


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    script = (
        "import resource as r; from fastgw.master.machine import raise_descriptors;"
        "r.setrlimit(r.RLIMIT_NOFILE, (256, 1024)); print(raise_descriptors(),"
        " r.getrlimit(r.RLIMIT_NOFILE))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert said.stdout.strip() == "1024 (1024, 1024)"
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 256
