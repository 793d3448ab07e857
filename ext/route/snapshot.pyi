class Snapshot:
    number: int
    route_count: int
    policies: list[object] | None
    memory: int
