from typing import Any

from fastgw.ext.base.networks import Networks
from fastgw.ext.io.engine import Handle
from fastgw.ext.io.listener import Door
from fastgw.ext.io.passthrough import PassAcceptor
from fastgw.ext.io.peer_limits import PeerLimits

class Doorway(Door):
    options: dict[str, Any]
    proxy: bool
    trusted: Networks
    peers: PeerLimits | None
    untrusted: int
    malformed: int
    timeouts: int
    left: int
    unnamed: int
    def __init__(self, options: dict[str, Any], trusted: Networks) -> None: ...
    def abort(self) -> None: ...
    def abort_passes(self) -> None: ...
    def counters(self) -> dict[str, int]: ...
    def __len__(self) -> int: ...
    @property
    def is_empty(self) -> bool: ...

class Arrival(Handle): ...

def door_options(options: dict[str, Any], trusted: Networks) -> dict[str, Any] | None: ...
def make_pass(name: str, options: dict[str, Any]) -> PassAcceptor: ...
