"""A generation: one compiled configuration, sealed in memory, with the facts of it that the
master needs itself."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass, field

import msgpack

from fastgw.master.settings import Compiled

SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


@dataclass
class Generation:
    """What runs, or is about to."""

    number: int
    plan_fd: int
    plan_size: int
    listen: list[str] = field(default_factory=list)
    memory: int = 64 << 20
    labels: list[tuple[str, str]] = field(default_factory=list)
    code: str = ""

    def close(self) -> None:
        """Let the plan go; workers that look into it keep it."""
        if self.plan_fd >= 0:
            os.close(self.plan_fd)
            self.plan_fd = -1


def new_plan_fd() -> int:
    """Empty memory for a plan."""
    return os.memfd_create("fastgw-plan", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def seal_plan(fd: int, plan: bytes) -> None:
    """Write a plan and let nobody change it any more."""
    view = memoryview(plan)
    while view:
        view = view[os.write(fd, view) :]
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)


def from_compiled(number: int, compiled: Compiled) -> Generation:
    """The generation of a plan that was compiled in this process."""
    fd = new_plan_fd()
    seal_plan(fd, compiled.plan)
    return from_facts(number, fd, facts_of(compiled))


def facts_of(compiled: Compiled) -> bytes:
    """All but the plan, for another process."""
    facts: bytes = msgpack.packb([compiled.listen, compiled.memory, compiled.labels, compiled.code])
    return facts


def from_facts(number: int, plan_fd: int, facts: bytes) -> Generation:
    """A generation whose plan is sealed already."""
    listen, memory, labels, code = msgpack.unpackb(facts, use_list=False)
    return Generation(
        number, plan_fd, os.fstat(plan_fd).st_size, list(listen), memory, list(labels), code
    )
