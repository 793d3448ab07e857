"""What `fastgw run` was told, and what the compiler made of the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastgw.master.control import ControlSettings
from fastgw.named_files import Read


@dataclass(frozen=True)
class Settings:
    """The part of the command line that belongs to processes."""

    #: What the compiler is asked to read: {"file": FILE or None, "options": {...}}.
    source: dict[str, Any]
    workers: int = 1
    run_dir: str | None = None
    name: str = "default"
    log_level: str = "info"
    #: What the control process is told; None: there is none.
    control: ControlSettings | None = None
    #: Seconds that a drain may take before the rest is ended.
    drain_s: float = 30.0
    #: The same for upgraded connections and tunnels of a worker that was replaced.
    streams_s: float = 300.0
    #: Seconds without a heartbeat after which a worker is ended.
    hung_s: float = 5.0
    #: Seconds that workers serve on without a master.
    orphan_grace_s: float = 60.0
    #: Seconds between /readyz turning red and the end of accepting.
    drain_delay_s: float = 0.0
    #: Addresses where workers answer /healthz and /readyz.
    health_listen: list[str] = field(default_factory=list)
    #: Whom workers and the control process run as; empty: whoever started us.
    user: str = ""
    group: str = ""
    #: A worker runs on one processor alone.
    cpu_affinity: bool = False
    #: File that holds the master's pid; empty: none.
    pidfile: str = ""
    #: Reload when a file of the configuration changes.
    watch: bool = False


@dataclass(frozen=True)
class Compiled:
    """A plan, and the few facts of it that the master needs itself."""

    plan: bytes
    listen: list[str] = field(default_factory=list)
    #: Bytes of all buffers of one worker.
    memory: int = 64 << 20
    #: Certificates, keys and other files that the plan names by digest (fastgw/tls/bundle.py).
    bundle: bytes = b""
    #: The plan's `tls` maps.
    tls: Sequence[Mapping[str, Any]] = ()
    #: What the bundle's files are, and patterns that further ones may fit.
    files: list[str] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    #: (kind, name) of everything that has a row in the statistics.
    labels: list[tuple[str, str]] = field(default_factory=list)
    #: Host names of servers, whose addresses may change.
    hosts: list[str] = field(default_factory=list)
    #: What the plugins' code is; workers can't take another one up.
    code: str = ""
    #: The files that all of it was read from.
    read: Read = field(default_factory=Read)
