class Wheel:
    next_ms: int
    fired: int
    filed: int
