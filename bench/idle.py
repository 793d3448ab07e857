"""Idle connections: what one that is kept open costs in memory.

The connections make one request each and then stay; the growth of the memory that the
contender made itself (`own` of `process.memory`, all its processes) divided by their number is
the cost of one. Then, beside those that are held, further connections are busy (`busy` of the
scenario) like in any other load, and what that costs is told too. At the end every connection
must still answer. Kernel memory (sockets) is nobody's process memory and not counted.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from fastgw.bench import process
from fastgw.bench.contender import Contender, unchecked
from fastgw.bench.scenario import Scenario

BATCH = 200
SETTLED_BYTES = 64 * 1024
SETTLE_EVERY_S, SETTLE_TIMES = 0.5, 10
#: Descriptors for everything else.
SPARE_FILES = 100


def read_answer(sock: socket.socket, body: bytes) -> None:
    """Read one whole answer; ValueError when it is not the right one."""
    got = b""
    while not got.endswith(body):
        piece = sock.recv(4096)
        if not piece:
            raise ConnectionError("closed instead of answered")
        got += piece
        if len(got) > len(body) + 2048:
            raise ValueError("an answer that is too long")
    if not got.startswith(b"HTTP/1.1 200"):
        raise ValueError(got[:60].decode("latin-1"))


def ask_all(sockets: Sequence[socket.socket], data: bytes, body: bytes) -> None:
    """One request on each connection, in batches, each answer checked."""
    for at in range(0, len(sockets), BATCH):
        batch = sockets[at : at + BATCH]
        for sock in batch:
            sock.sendall(data)
        for sock in batch:
            read_answer(sock, body)


def connected(port: int, tls: bool) -> socket.socket:
    """A connection."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=20)
    return unchecked().wrap_socket(sock) if tls else sock


def settled(pids: Sequence[int]) -> dict[str, int]:
    """Memory once it has stood still for half a second (at most 5 s)."""
    before = process.memory(pids)
    for _ in range(SETTLE_TIMES):
        time.sleep(SETTLE_EVERY_S)
        after = process.memory(pids)
        if abs(after["own"] - before["own"]) < SETTLED_BYTES:
            return after
        before = after
    return before


def hold(held: list[socket.socket], more: int, contender: Contender, scenario: Scenario) -> None:
    """Open so many more connections; each is answered once."""
    request = scenario.requests()[0]
    fresh = [connected(contender.port, scenario.uses_tls) for _ in range(more)]
    held.extend(fresh)
    ask_all(fresh, request.data, request.body or b"")


def measure_idle(
    contender: Contender,
    scenario: Scenario,
    count: int,
    serve: Callable[[], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """`bytes_each`, `pss_peak`, and what `serve` finds while the connections are held.

    OSError when so many can't be held, or one of them no longer answers."""
    if count + BATCH + SPARE_FILES > process.raise_nofile():
        raise OSError(f"{count} connections are more than this process may open")
    request = scenario.requests()[0]
    data, body = request.data, request.body or b""
    # These make what all share, pools and buffers; they are held too, and not counted.
    shared = min(BATCH, count)
    held: list[socket.socket] = []
    try:
        hold(held, shared, contender, scenario)
        for _ in range(2):
            ask_all(held, data, body)
        before = settled(contender.pids())["own"]
        # Memory that an earlier round's connections took may still be there, and be used again.
        before = contender.own_before = min(before, contender.own_before or before)
        while len(held) < count + shared:
            hold(held, min(BATCH, count + shared - len(held)), contender, scenario)
        after = settled(contender.pids())
        served = serve() if serve else {"errors": 0}
        ask_all(held, data, body)
    except ValueError as e:
        raise OSError(f"a wrong answer: {e}") from None
    finally:
        for sock in held:
            sock.close()
    return {
        **served,
        "held": count,
        "bytes_each": (after["own"] - before) / count,
        "pss_peak": max(after["pss"], served.get("pss_peak", 0)),
    }
