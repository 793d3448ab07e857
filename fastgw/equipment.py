"""What a data plane is born with, besides its plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fastgw.ext.base.address_counts import AddressCounts
from fastgw.ext.record.rows import Rows
from fastgw.ext.shm.statistics import Column

#: Addresses of host names: name -> [[family, text], ...].
Names = Mapping[str, list[list[int | str]]]


@dataclass(frozen=True)
class Equipment:
    """Given once; what another configuration may change stands in the plan."""

    #: Bytes of all buffers.
    memory: int
    #: Client connections at once.
    max_connections: int
    #: Connections to upstreams that may wait for a request at once.
    idle_upstreams: int
    #: Takes (level, text): the process's own log.
    log: Callable[[str, str], None]
    #: Which worker it is, in the metrics.
    slot: int = 0
    #: Own cells of the statistics; None: it counts for itself alone, in `rows`.
    column: Column | None = None
    rows: Rows | None = None
    #: Counts the connections of client addresses on the whole node; None: here alone.
    addresses: AddressCounts | None = None
    #: Requests are counted; what counting costs is measured without.
    counting: bool = True
    #: The ring that lines of the access log go to (-1 = none), if the plan wants them, and the
    #: eventfd of who reads it.
    log_ring: int = -1
    doorbell: int = -1
    #: A file that the lines go to without a ring, whatever the plan says; empty: none.
    log_file: str = ""
    #: What is known of host names at the beginning.
    names: Names = field(default_factory=dict)
