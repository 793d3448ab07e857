"""What the machine gives: processors (affinity, cgroup quota) and descriptors."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

#: Descriptors kept for logs, the control socket, epoll, timers and plugins.
RESERVED_FDS = 128


def usable_cpus(affinity: int | None = None, proc: Path = Path("/proc")) -> int:
    """The smaller of affinity and whole processors of the cgroup's quota, at least 1."""
    cpus = affinity if affinity is not None else len(os.sched_getaffinity(0))
    quota = cgroup_quota(proc)
    return max(1, cpus if quota is None else min(cpus, int(quota)))


def cgroup_quota(proc: Path = Path("/proc")) -> float | None:
    """Processors that the cgroup allows (v1 or v2, the strictest ancestor); None = no limit."""
    quotas = []
    for folder in _cgroup_folders(proc):
        quota = _v2_quota(folder) if (folder / "cpu.max").exists() else _v1_quota(folder)
        if quota is not None:
            quotas.append(quota)
    return min(quotas, default=None)


def _cgroup_folders(proc: Path) -> list[Path]:
    """Our cgroup's folder and its ancestors, as far as they are mounted."""
    try:
        rows = (proc / "self/cgroup").read_text().splitlines()
        mounts = (proc / "self/mountinfo").read_text().splitlines()
    except OSError:
        return []
    found: list[Path] = []
    for row in rows:
        number, _, rest = row.partition(":")
        controllers, _, path = rest.partition(":")
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        for root, point in _mounts_of(mounts, unified=number == "0"):
            found += _ancestors(root, point, path)
    return found


def _mounts_of(mounts: list[str], unified: bool) -> list[tuple[str, Path]]:
    """(root, mount point) of the mounts that can hold our cgroup."""
    found = []
    for line in mounts:
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        if (
            kind[0] == "cgroup2"
            if unified
            else (kind[0] == "cgroup" and "cpu" in kind[2].split(","))
        ):
            found.append((fields[3], Path(fields[4])))
    return found


def _ancestors(root: str, point: Path, path: str) -> list[Path]:
    # In a container the mount's root may be the cgroup itself, or the path lie outside it.
    inner = path[len(root) :] if root != "/" and path.startswith(root) else path
    folder = point / inner.lstrip("/")
    if ".." in folder.parts or not folder.exists():
        folder = point
    return [folder, *(p for p in folder.parents if p == point or point in p.parents)]


def _v2_quota(folder: Path) -> float | None:
    try:
        most, period = (folder / "cpu.max").read_text().split()
        return None if most == "max" else int(most) / int(period)
    except (OSError, ValueError):
        return None


def _v1_quota(folder: Path) -> float | None:
    try:
        most = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return most / period if most > 0 and period > 0 else None


def raise_descriptors() -> int:
    """Raise RLIMIT_NOFILE to its hard limit; the number that we may then have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return soft
    return hard


@dataclass(frozen=True)
class Connections:
    """How many one worker may have at once."""

    clients: int
    #: To upstreams, waiting for a request.
    idle_upstreams: int


def connections_for(descriptors: int) -> Connections:
    """Two of clients for each one to an upstream, since most clients are idle, and only a
    request under way needs an upstream. Of those to upstreams a half may be idle, so that a
    request whose own upstream has none finds a descriptor for a new one."""
    free = max(descriptors - RESERVED_FDS, 24)
    clients = free * 2 // 3
    return Connections(clients, (free - clients) // 2)
