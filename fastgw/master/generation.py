"""A generation: one compiled configuration, sealed in memory, with the facts of it that the
master needs itself."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass, field

import msgpack

from fastgw.master.settings import Compiled
from fastgw.tls.bundle import files_of, pack_bundle, read_bundle

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
    #: Certificates and keys that the plan names by digest; empty: it names none.
    files_fd: int = -1

    def fds(self) -> dict[str, int]:
        """What a worker needs to prepare it."""
        return {"plan": self.plan_fd, "files": self.files_fd}

    def close(self) -> None:
        """Let the memory go; workers that look into it keep it."""
        if self.plan_fd >= 0:
            os.close(self.plan_fd)
            os.close(self.files_fd)
            self.plan_fd = self.files_fd = -1


def new_memory(name: str) -> int:
    """Empty memory, to be filled and sealed."""
    return os.memfd_create(f"fastgw-{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)


def seal(fd: int, content: bytes) -> None:
    """Fill memory, and let nobody change it any more."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SEALS)


def seal_compiled(compiled: Compiled, plan_fd: int, files_fd: int) -> bytes:
    """Put plan and files into their memory; all other facts, for another process. BundleError:
    a file is not what the plan was made from."""
    seal(files_fd, read_bundle(files_of(compiled.tls)) if compiled.tls else pack_bundle({}))
    seal(plan_fd, compiled.plan)
    facts: bytes = msgpack.packb([compiled.listen, compiled.memory, compiled.labels, compiled.code])
    return facts


def from_compiled(number: int, compiled: Compiled) -> Generation:
    """The generation of a plan that was compiled in this process."""
    plan_fd, files_fd = new_memory("plan"), new_memory("certificates")
    return from_facts(number, plan_fd, files_fd, seal_compiled(compiled, plan_fd, files_fd))


def from_facts(number: int, plan_fd: int, files_fd: int, facts: bytes) -> Generation:
    """A generation whose memory is sealed already."""
    listen, memory, labels, code = msgpack.unpackb(facts, use_list=False)
    size = os.fstat(plan_fd).st_size
    return Generation(number, plan_fd, size, list(listen), memory, list(labels), code, files_fd)
