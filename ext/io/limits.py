"""How many files a worker may open, and how many connections of clients follow from that."""

from __future__ import annotations

import resource
from dataclasses import dataclass

#: Kept for logs, segments, control sockets, the loop, listeners, and what plugins open.
RESERVED = 128
#: Pipes that relays may hold at once; two descriptors each.
RELAY_PIPES = 256
#: More is not worth the kernel's memory, whatever the limit says.
MOST = 1 << 20


@dataclass(frozen=True)
class FileLimits:
    """What a worker may have open."""

    files: int  # RLIMIT_NOFILE
    connections: int  # of clients, at once
    relay_pipes: int  # pipes of relays, at once


def raise_nofile() -> int:
    """Raise the soft limit of open files to the hard one; the limit that holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = MOST
    wanted = min(max(soft, hard), MOST)
    if soft != wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            return soft
    return wanted


def file_limits(files: int, wanted: int | None = None, listeners: int = 1) -> FileLimits:
    """Share `files` descriptors out: two to clients for each one to upstreams, since most
    connections of clients are idle, and only a request under way needs an upstream.

    `wanted` is the configured limit of connections; it can only lower what fits. At least
    one connection is granted, however low the limit.
    """
    free = max(files - RESERVED - listeners, 2)
    pipes = min(RELAY_PIPES, free // 16)
    fits = max((free - 2 * pipes) * 2 // 3, 1)
    return FileLimits(files, min(fits, wanted) if wanted else fits, pipes)
