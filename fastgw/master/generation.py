"""A generation: one compiled configuration, sealed in memory, with the facts of it that the
master needs itself."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from fastgw.master.compiler import tls_options
from fastgw.master.settings import Compiled
from fastgw.named_files import Read
from fastgw.plan import PlanReader

#: Names of the memory, as /proc shows them.
PLAN, CERTIFICATES = "plan", "certificates"
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
    #: Host names of servers, whose addresses may change.
    hosts: list[str] = field(default_factory=list)
    #: Sealed certificate files (fastgw/tls/bundle.py); -1: the plan needs none.
    bundle_fd: int = -1
    #: Likewise, those of them that were renewed since; -1: none was.
    renewed_fd: int = -1
    #: The plan's `tls` maps; None: nobody has asked yet.
    tls: Sequence[Mapping[str, Any]] | None = None
    #: Those files, and patterns that further ones may fit.
    files: list[str] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    #: The files that it was read from.
    read: Read = field(default_factory=Read)

    def close(self) -> None:
        """Let the plan go; workers that look into it keep it."""
        for fd in (self.plan_fd, self.bundle_fd, self.renewed_fd):
            if fd >= 0:
                os.close(fd)
        self.plan_fd = self.bundle_fd = self.renewed_fd = -1

    def tls_options(self) -> Sequence[Mapping[str, Any]]:
        """The plan's `tls` maps, which are kept: reading those of ten thousand certificates costs
        more than to renew one of them."""
        if self.tls is None:
            self.tls = tls_options(PlanReader(os.pread(self.plan_fd, self.plan_size, 0)))
        return self.tls

    def renew(self, fd: int) -> None:
        """Files were renewed: all that ever were are in this memory."""
        if self.renewed_fd >= 0:
            os.close(self.renewed_fd)
        self.renewed_fd = fd

    def fds(self) -> dict[str, int]:
        """What workers are handed."""
        return {"plan": self.plan_fd, **self.certificates()}

    def certificates(self) -> dict[str, int]:
        """The part of it that is certificate files."""
        both = {"certificates": self.bundle_fd, "renewed": self.renewed_fd}
        return {name: fd for name, fd in both.items() if fd >= 0}


def new_memory(name: str) -> int:
    """Empty memory that can be sealed: for a plan, or for the files beside it."""
    return os.memfd_create(f"fastgw-{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def seal(fd: int, content: bytes) -> None:
    """Write all of it and let nobody change it any more."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)


def sealed(name: str, content: bytes) -> int:
    """Memory that holds this and nothing else, ever."""
    fd = new_memory(name)
    seal(fd, content)
    return fd


def from_compiled(number: int, compiled: Compiled) -> Generation:
    """The generation of a plan that was compiled in this process."""
    plan_fd, bundle_fd = sealed(PLAN, compiled.plan), sealed(CERTIFICATES, compiled.bundle)
    generation = from_facts(number, plan_fd, bundle_fd, facts_of(compiled))
    generation.tls = compiled.tls
    return generation


def facts_of(compiled: Compiled) -> bytes:
    """All but the plan, for another process."""
    c = compiled
    facts: bytes = msgpack.packb(
        [
            c.listen,
            c.memory,
            c.labels,
            c.code,
            c.hosts,
            c.files,
            c.patterns,
            c.read.as_map(),
        ]
    )
    return facts


def from_facts(number: int, plan_fd: int, bundle_fd: int, facts: bytes) -> Generation:
    """A generation whose plan and certificate files are sealed already."""
    if os.fstat(bundle_fd).st_size == 0:
        os.close(bundle_fd)
        bundle_fd = -1
    listen, memory, labels, code, hosts, files, patterns, read = msgpack.unpackb(
        facts, use_list=False
    )
    return Generation(
        number,
        plan_fd,
        os.fstat(plan_fd).st_size,
        list(listen),
        memory,
        list(labels),
        code,
        list(hosts),
        bundle_fd,
        files=list(files),
        patterns=list(patterns),
        read=Read(**read),
    )
