"""Processes under measurement; everything is in fastgw.bench.process, which is installed."""

from fastgw.bench.process import (
    cpu_ns,
    family,
    free_port,
    memory,
    pinned,
    raise_nofile,
    threads_of,
)

__all__ = [
    "cpu_ns",
    "family",
    "free_port",
    "memory",
    "pinned",
    "raise_nofile",
    "threads_of",
]
