from collections.abc import Callable, Iterator, Mapping
from typing import Any

from typing_extensions import Buffer

from fastgw.ext.route.snapshot import Snapshot

class PlanSnapshot(Snapshot):
    objects: dict[bytes, object]
    target_list: list[object]
    node: dict[str, Any]
    def listener_count(self) -> int: ...
    def listener_name(self, index: int) -> str: ...
    def listener_options(self, index: int) -> dict[str, Any]: ...
    def tls_options(self) -> dict[int, dict[str, Any]]: ...
    def route_names(self) -> list[str]: ...

def load_plan(
    plan: Buffer,
    builders: Mapping[str, Callable[[str, dict[str, Any]], object]],
    previous: Snapshot | None = ...,
) -> PlanSnapshot: ...
def load_slices(
    plan: Buffer,
    builders: Mapping[str, Callable[[str, dict[str, Any]], object]],
    previous: Snapshot | None = ...,
) -> Iterator[PlanSnapshot | None]: ...
