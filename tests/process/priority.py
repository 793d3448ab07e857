"""The processors first for those whose time a test measures, whatever else the machine does."""

from __future__ import annotations

import os

import pytest

#: For tests that need it.
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can put a process first")


def put_first(pid: int, children: bool = False) -> None:
    """Let a process (0: this thread) run whenever it can; and those that it forks from now on."""
    policy = os.SCHED_FIFO | (0 if children else os.SCHED_RESET_ON_FORK)
    os.sched_setscheduler(pid, policy, os.sched_param(1))
