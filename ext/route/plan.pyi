from typing_extensions import Buffer

LAYOUT: int
SIZES: dict[str, int]

def check_plan(plan: Buffer) -> int: ...
