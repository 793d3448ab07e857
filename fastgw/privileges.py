"""Who a process runs as, and who the kernel ends first when memory is short.

The master keeps what it was started with: it binds addresses and reads keys. Workers, control
process and compiler give all of it up: --user and --group, no capabilities, and no way to get
any by exec. Children that are exec'ed do so themselves once their modules are loaded, which
somebody else might not be allowed to read, and before they open anything.
"""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
from dataclasses import dataclass

_PR_SET_NO_NEW_PRIVS = 38
#: Added to a process's score: workers before control before the master.
OOM_WORKER, OOM_CONTROL, OOM_MASTER = 300, 100, 0


class PrivilegeError(Exception):
    """A user or group that can't be taken; the text says why."""


@dataclass(frozen=True)
class Identity:
    """Whom to run as."""

    uid: int
    gid: int
    name: str


def identity(user: str, group: str) -> Identity | None:
    """What --user and --group name; None: nothing was said. PrivilegeError."""
    if not user and not group:
        return None
    if os.geteuid() != 0:
        raise PrivilegeError("--user and --group: only root can run workers as somebody else")
    try:
        entry = pwd.getpwnam(user) if user else pwd.getpwuid(os.getuid())
        gid = grp.getgrnam(group).gr_gid if group else entry.pw_gid
    except KeyError as e:
        raise PrivilegeError(f"--user, --group: {e.args[0]}") from None
    return Identity(entry.pw_uid, gid, entry.pw_name)


def run_as_words(who: Identity | None) -> list[str]:
    """What a child of ours is told on its command line, to be read by `read_identity`."""
    return [] if who is None else ["--run-as", f"{who.uid}:{who.gid}:{who.name}"]


def read_identity(text: str) -> Identity:
    """UID:GID:NAME"""
    uid, gid, name = text.split(":", 2)
    return Identity(int(uid), int(gid), name)


def no_new_privileges() -> None:
    """Nothing that this process executes gets more than it has."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")


def drop(who: Identity | None) -> None:
    """In a child: become somebody else for good; OSError if that can't be done."""
    if who is not None:
        os.initgroups(who.name, who.gid)
        os.setresgid(who.gid, who.gid, who.gid)
        os.setresuid(who.uid, who.uid, who.uid)
    no_new_privileges()


def set_oom_score(score: int) -> None:
    """Ask the kernel to end this process sooner or later than others; it may refuse."""
    try:
        with open("/proc/self/oom_score_adj", "w") as f:
            f.write(str(score))
    except OSError:
        pass


def pin(slot: int) -> None:
    """Run on one processor, those that we may use in turn."""
    cpus = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, {cpus[slot % len(cpus)]})
    except OSError:
        pass
