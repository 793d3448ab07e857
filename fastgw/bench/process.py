"""What the kernel says of a contender: CPU time and memory of all its processes."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

PROC = Path("/proc")


def family(pid: int) -> list[int]:
    """`pid` and all its living descendants, parents first."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for each in found:  # grows while it is walked
        found.extend(sorted(children.get(each, [])))
    return found


def cpu_ns(pids: Iterable[int]) -> int:
    """Nanoseconds on a CPU of every thread of these processes, by schedstat.

    A thread or process that has gone is an error of the measurement, so it raises."""
    total = 0
    for pid in pids:
        for task in (PROC / str(pid) / "task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def _rollup(pid: int) -> dict[str, int]:
    """The sums of a process's mappings in bytes, by the kernel's names for them."""
    lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    return {key: int(rest.split()[0]) * 1024 for key, _, rest in (x.partition(":") for x in lines)}


def _own(said: dict[str, int]) -> int:
    """Bytes that a process made itself; where the kernel has no such sums, its dirty pages."""
    names = ("Pss_Anon", "Pss_Shmem") if "Pss_Anon" in said else ("Private_Dirty", "Shared_Dirty")
    return sum(said.get(name, 0) for name in names)


def memory(pids: Iterable[int]) -> dict[str, int]:
    """Bytes of these processes together: `rss`, `pss`, and `own`.

    PSS has a share of each page of a program or library that others have mapped too, so it
    moves when somebody else starts or ends; `own` is without the pages of files."""
    out = {"rss": 0, "pss": 0, "own": 0}
    for pid in pids:
        said = _rollup(pid)
        out["rss"] += said.get("Rss", 0)  # one that has just ended says nothing
        out["pss"] += said.get("Pss", 0)
        out["own"] += _own(said)
    return out


def threads_of(pid: int) -> int:
    """How many threads a process has."""
    return len(list((PROC / str(pid) / "task").iterdir()))


def pinned(cpus: set[int] | int | None) -> Callable[[], None]:
    """A `preexec_fn` that pins the child (and its children) to CPUs and raises its limits."""

    def prepare() -> None:
        if cpus is not None:
            os.sched_setaffinity(0, {cpus} if isinstance(cpus, int) else cpus)
        raise_nofile()

    return prepare


def raise_nofile() -> int:
    """Raise the soft limit of open files to the hard one, and return it."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def cores(workers: int = 1) -> tuple[set[int] | None, set[int] | None]:
    """(CPUs of the gateway, CPUs of origin and load); None, None where there are too few to
    keep them apart."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) <= workers:
        return None, None
    return set(allowed[:workers]), set(allowed[workers:])
