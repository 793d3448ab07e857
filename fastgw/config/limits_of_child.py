"""Limits that a throw-away child sets itself before it runs code of a user."""

from __future__ import annotations

import os
import resource


def limit(memory_bytes: int, cpu_s: int, may_write: bool = True) -> None:
    """From here on: bounded memory and processor time, no core left behind; without `may_write`
    no file grows. AddressSanitizer reserves terabytes of addresses, so memory is not bounded
    in a process that was started with it."""
    most = {resource.RLIMIT_CPU: cpu_s, resource.RLIMIT_CORE: 0}
    if "libasan" not in os.environ.get("LD_PRELOAD", ""):
        most[resource.RLIMIT_AS] = memory_bytes
    if not may_write:
        most[resource.RLIMIT_FSIZE] = 0
    for what, value in most.items():
        resource.setrlimit(what, (value, value))
