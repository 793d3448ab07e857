"""Addresses of host names on their way from the control process to the workers.

They travel as a sealed segment called `names`: the master keeps the newest one and hands it
to every worker, also to those that come later, and to its successor. Its content is
{name: [[family, address], ...]}; a worker keeps what it had of a name that is missing.
"""

from __future__ import annotations

from typing import Any

import msgpack

from fastgw.ext.shm.segment import (
    SegmentError,
    check_published,
    map_segment,
    seal_bytes,
    with_header,
)

SEGMENT = "names"
MAGIC, LAYOUT = b"FGWNAME\0", 1
#: Bytes before the content.
_HEADER = 40

#: name -> [[family, address], ...]
Addresses = dict[str, list[list[int | str]]]


def seal_names(addresses: Addresses, version: int) -> int:
    """A descriptor of a segment that nobody can change any more."""
    content: bytes = msgpack.packb(addresses)
    return seal_bytes(SEGMENT, with_header(MAGIC, LAYOUT, content, version))


def read_names(fd: int) -> tuple[Addresses, int]:
    """What a segment says, and its version; SegmentError when it is none. The descriptor
    stays the caller's."""
    check_published(fd, MAGIC, LAYOUT)
    segment = map_segment(fd, MAGIC, LAYOUT)
    try:
        with segment.view() as view:
            found: Any = msgpack.unpackb(view[_HEADER:])
        version = segment.generation
    except ValueError as e:
        raise SegmentError(f"names can't be read: {e}") from e
    finally:
        segment.close()
    return found, version
