class PeerLimits:
    connections: int
    per_second: int
    too_many: int
    too_fast: int
    uncounted: int

class LocalPeerLimits(PeerLimits):
    def __init__(
        self,
        *,
        connections: int = 0,
        per_second: int = 0,
        ipv6_prefix: int = 64,
        rows: int = 65536,
    ) -> None: ...
    def ask(self, address: str, now_ms: int) -> tuple[str, int]: ...
    def give_back(self, row: int) -> None: ...

class Lease: ...
