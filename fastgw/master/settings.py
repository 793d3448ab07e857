"""What `fastgw run` was told, and what the compiler made of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Settings:
    """The part of the command line that belongs to processes."""

    #: What the compiler is asked to read: {"file": FILE or None, "options": {...}}.
    source: dict[str, Any]
    workers: int = 1
    run_dir: str | None = None
    name: str = "default"
    log_level: str = "info"
    #: Where workers write a line an exchange; empty: nowhere.
    access_log: str = ""
    #: Seconds that a drain may take before the rest is ended.
    drain_s: float = 30.0


@dataclass(frozen=True)
class Compiled:
    """A plan, and the few facts of it that the master needs itself."""

    plan: bytes
    listen: list[str] = field(default_factory=list)
    #: Bytes of all buffers of one worker.
    memory: int = 64 << 20
    #: `tls` options of listeners and upstreams, which name files to be handed to workers.
    tls: list[Mapping[str, Any]] = field(default_factory=list)
