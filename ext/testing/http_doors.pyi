"""Doors for tests and benchmarks: the parsers of ext/http seen from Python."""

from typing import Any, final

def parse_request(
    data: bytes | bytearray,
    *,
    head: int = 32768,
    target: int = 8192,
    fields: int = 100,
    cap: int | None = None,
    room: int | None = None,
    searched: int = 0,
) -> dict[str, Any]: ...
def parse_response(
    data: bytes | bytearray,
    *,
    to_head: bool = False,
    head: int = 32768,
    fields: int = 100,
    cap: int | None = None,
    searched: int = 0,
) -> dict[str, Any]: ...

@final
class Chunked:
    pieces: list[bytes]
    trailers: list[tuple[bytes, bytes, bool]] | None
    outcome: str
    rest: bytes
    def __init__(self, head: int = 32768, fields: int = 100, cap: int | None = None) -> None: ...
    def feed(self, data: bytes | bytearray) -> str: ...

def normalise_path(path: bytes | bytearray) -> tuple[bytes, int, bool]: ...
def parse_authority(text: bytes | bytearray) -> tuple[bytes, int] | None: ...
def chunk_header(n: int) -> bytes: ...
def name_id(name: bytes) -> int: ...
def name_text(id: int) -> bytes: ...
def time_requests(heads: list[bytes], rounds: int) -> float: ...
