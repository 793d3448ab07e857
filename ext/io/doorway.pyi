from collections.abc import Mapping
from typing import Any

from fastgw.ext.base.networks import Networks
from fastgw.ext.io.engine import Handle
from fastgw.ext.io.listener import Acceptor, Door
from fastgw.ext.io.passthrough import PassAcceptor
from fastgw.ext.io.peer_limits import PeerLimits

class Doorway(Door):
    proxy: bool
    trusted: Networks
    peers: PeerLimits | None
    untrusted: int
    malformed: int
    timeouts: int
    left: int
    unnamed: int
    def __init__(
        self,
        *,
        proxy: bool = False,
        trusted: Networks | None = None,
        peers: PeerLimits | None = None,
        passes: Mapping[str, Acceptor] | None = None,
        terminates: bool = True,
        timeout_ms: int = 5000,
    ) -> None: ...
    def abort(self) -> None: ...
    def abort_passes(self) -> None: ...
    def counters(self) -> dict[str, int]: ...
    def __len__(self) -> int: ...

class Arrival(Handle): ...

def make_doorway(options: dict[str, Any], trusted: Networks) -> Doorway | None: ...
def make_pass(name: str, options: dict[str, Any]) -> PassAcceptor: ...
