"""A generation: one compiled configuration, sealed in memory, with the facts of it that the
master needs itself."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass, field

import msgpack

from fastgw.master.settings import Compiled
from fastgw.tls.bundle import files_of, read_bundle

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
    #: The files that the plan names by digest; -1: it names none.
    bundle_fd: int = -1
    #: Digest of a file of ticket keys; empty: the node makes its own.
    ticket_keys: str = ""

    def close(self) -> None:
        """Let plan and files go; workers that look into them keep them."""
        for fd in (self.plan_fd, self.bundle_fd):
            if fd >= 0:
                os.close(fd)
        self.plan_fd = self.bundle_fd = -1

    def fds(self) -> dict[str, int]:
        """What workers are sent of it."""
        found = {"plan": self.plan_fd, "bundle": self.bundle_fd}
        return {name: fd for name, fd in found.items() if fd >= 0}


def new_memory(name: str) -> int:
    """Empty memory for a plan, or for the files that it names."""
    return os.memfd_create(f"fastgw-{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def seal(fd: int, content: bytes) -> None:
    """Write it all and let nobody change it any more."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)


def from_compiled(number: int, compiled: Compiled) -> Generation:
    """The generation of a plan that was compiled in this process."""
    plan_fd, bundle_fd = new_memory("plan"), new_memory("files")
    seal_compiled(plan_fd, bundle_fd, compiled)
    return from_facts(number, plan_fd, bundle_fd, facts_of(compiled))


def seal_compiled(plan_fd: int, bundle_fd: int, compiled: Compiled) -> None:
    """Write the plan, and the files that it names if there are any; BundleError: one is not
    what it was when the plan was made."""
    seal(plan_fd, compiled.plan)
    if compiled.tls:
        seal(bundle_fd, read_bundle(files_of(compiled.tls)))


def facts_of(compiled: Compiled) -> bytes:
    """All but the plan, for another process."""
    keys = next((one["ticket_keys"] for one in compiled.tls if one.get("ticket_keys")), "")
    facts: bytes = msgpack.packb(
        [compiled.listen, compiled.memory, compiled.labels, compiled.code, keys]
    )
    return facts


def from_facts(number: int, plan_fd: int, bundle_fd: int, facts: bytes) -> Generation:
    """A generation whose plan, and files, are sealed already."""
    listen, memory, labels, code, keys = msgpack.unpackb(facts, use_list=False)
    if not os.fstat(bundle_fd).st_size:
        os.close(bundle_fd)
        bundle_fd = -1
    size = os.fstat(plan_fd).st_size
    return Generation(
        number, plan_fd, size, list(listen), memory, list(labels), code, bundle_fd, keys
    )
