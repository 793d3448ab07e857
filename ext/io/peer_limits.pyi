from fastgw.ext.base.address_counts import AddressCounts

class PeerLimits:
    connections: int
    per_second: int
    too_many: int
    too_fast: int
    uncounted: int
    def ask(self, address: str, now_ms: int) -> tuple[str, int]: ...
    def give_back(self, row: int) -> None: ...

class LocalPeerLimits(PeerLimits):
    def __init__(
        self,
        *,
        connections: int = 0,
        per_second: int = 0,
        ipv6_prefix: int = 64,
        rows: int = 65536,
    ) -> None: ...

class NodePeerLimits(PeerLimits):
    def __init__(
        self,
        counts: AddressCounts,
        whose: str,
        *,
        connections: int = 0,
        per_second: int = 0,
        ipv6_prefix: int = 64,
        rows: int = 65536,
    ) -> None: ...

class Lease: ...
