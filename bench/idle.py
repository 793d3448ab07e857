"""`python -m bench idle`: what an idle keep-alive connection costs in memory.

10,000 connections make one request each and then stay open; the growth of the contender's
memory (PSS of all its processes) divided by their number is the cost of one. While they are
held, 1,000 more are served; at the end every idle connection must still answer. Kernel
memory (sockets) is nobody's process memory and not counted.
"""

from __future__ import annotations

import argparse
import json
import socket
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import process
from bench.contenders import PEER_MAKERS, Contender, fastgw
from bench.loads import Origin, measure
from bench.plain import cores
from bench.scenarios import BODY, SCENARIOS

#: Bytes of process memory that one idle connection may cost.
BAR = 2048
REQUEST = SCENARIOS["plain-64"].request
BATCH = 200


def read_answer(sock: socket.socket) -> None:
    """Read one whole answer; raises when it is not the origin's."""
    got = b""
    while not got.endswith(BODY):
        piece = sock.recv(4096)
        if not piece:
            raise ConnectionError("closed instead of answered")
        got += piece
        if len(got) > len(BODY) + 2048:
            raise ValueError("an answer that is too long")
    if not got.startswith(b"HTTP/1.1 200"):
        raise ValueError(got[:60].decode("latin-1"))


def ask_all(sockets: Sequence[socket.socket]) -> None:
    """One request on each connection, in batches, each answer checked."""
    for at in range(0, len(sockets), BATCH):
        batch = sockets[at : at + BATCH]
        for sock in batch:
            sock.sendall(REQUEST)
        for sock in batch:
            read_answer(sock)


def open_idle(port: int, count: int) -> list[socket.socket]:
    """`count` connections that have made one request each."""
    opened: list[socket.socket] = []
    while len(opened) < count:
        batch = [
            socket.create_connection(("127.0.0.1", port), timeout=20)
            for _ in range(min(BATCH, count - len(opened)))
        ]
        ask_all(batch)
        opened.extend(batch)
    return opened


def settled(pids: Sequence[int]) -> dict[str, int]:
    """Memory once it has stood still for half a second (at most 5 s)."""
    before = process.memory(pids)
    for _ in range(10):
        time.sleep(0.5)
        after = process.memory(pids)
        if abs(after["pss"] - before["pss"]) < 64 * 1024:
            return after
        before = after
    return before


def one(
    contender: Contender, folder: Path, count: int, busy: int, seconds: float, cpu: int | None
) -> dict[str, float]:
    """Measure one contender; see the module's text."""
    scenario = SCENARIOS["plain-1000"]
    measure(contender, scenario, folder, seconds=seconds, warmup=0.2, cpu=cpu, connections=busy)
    pids = contender.pids()
    before = settled(pids)
    idle = open_idle(contender.port, count)
    try:
        after = settled(pids)
        served = measure(
            contender, scenario, folder, seconds=seconds, warmup=0.2, cpu=cpu, connections=busy
        )
        ask_all(idle)
    finally:
        for sock in idle:
            sock.close()
    return {
        "connections": count,
        "bytes_each": (after["pss"] - before["pss"]) / count,
        "private_bytes_each": (after["private"] - before["private"]) / count,
        "rss_before": before["rss"],
        "rss_after": after["rss"],
        "busy_connections": busy,
        "busy_rps": served["rps"],
        "busy_errors": served["errors"],
    }


def main(argv: list[str]) -> int:
    """Measure fastgw, and peers that are asked for; 1 when fastgw misses the bar."""
    parse = argparse.ArgumentParser(prog="python -m bench idle")
    parse.add_argument("--peers", default="", help="comma-separated: " + ", ".join(PEER_MAKERS))
    parse.add_argument("--connections", type=int, default=10_000)
    parse.add_argument("--busy", type=int, default=1_000)
    parse.add_argument("--seconds", type=float, default=2.0)
    parse.add_argument("--no-fastgw", action="store_true")
    parse.add_argument("--quick", action="store_true", help="200 connections: no figure counts")
    args = parse.parse_args(argv)
    if args.quick:
        args.connections, args.busy, args.seconds = 200, 20, 0.2
    limit = process.raise_nofile()
    if args.connections + args.busy + 100 > limit:
        print(f"open files are limited to {limit}: ulimit -Hn must be raised")
        return 2
    field = [] if args.no_fastgw else [fastgw()]
    field += [c for n in args.peers.split(",") if n and (c := PEER_MAKERS[n]())]
    gateway_cpu, other_cpu = cores()
    missed = False
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
        folder = Path(made)
        for contender in field:
            with Origin(folder, other_cpu) as origin:
                contender.start(origin.port, folder / contender.name, gateway_cpu)
                try:
                    result = one(
                        contender, folder, args.connections, args.busy, args.seconds, other_cpu
                    )
                except OSError as e:
                    print(f"{contender.name:8} could not hold {args.connections}: {e}")
                    missed |= contender.name == "fastgw"
                    continue
                finally:
                    contender.stop()
            print(
                f"{contender.name:8} {result['bytes_each']:8.0f} B for an idle connection; "
                f"{args.busy} more served at {result['busy_rps']:.0f}/s, "
                f"{result['busy_errors']:.0f} errors"
            )
            print(json.dumps({"contender": contender.name, **result}))
            if contender.name == "fastgw" and not args.quick:
                missed = result["bytes_each"] > BAR or result["busy_errors"] > 0
                print(f"bar: at most {BAR} B: {'MISSED' if missed else 'met'}")
    return 1 if missed else 0
