"""`python -m bench parser`: the head parser beside llhttp and h11, on a corpus of real heads.

Method. Every head of `bench/corpus/` is parsed by each in turn, round by round, so that what
a round shares (frequency, neighbours) cancels out. llhttp is httptools without callbacks,
less the time to create its parser and to feed it `GET / HTTP/1.1` with one Host line, which
takes Python's share off it and some of its parsing too. Ours is called from a compiled loop
and nothing is taken off; it does more: names to ids, values checked, Host, framing,
Connection and path rule. The figures are nanoseconds of CPU a head (of this thread: neighbours
on a busy machine cost nothing but warm caches) and the ratio to llhttp.

The head with an upgrade is left out: httptools ends it with a Python exception, whose cost is not
llhttp's. The bar is for the corpus as a whole; heads of 100 bytes come out near 1, since there
what is taken off llhttp is most of what it does.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h11
import httptools

from bench.statistics import Spread, ratios, spread
from fastgw.ext.base import debug
from fastgw.ext.testing.http_doors import time_requests

CORPUS = Path(__file__).resolve().parent / "corpus"
#: What is taken off llhttp's time.
LEAST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#: Ours over llhttp, at most, for the corpus as a whole.
BAR = 0.5


def read_corpus() -> dict[str, bytes]:
    """Name and bytes of every head."""
    return {path.stem: path.read_bytes() for path in sorted(CORPUS.glob("*.http"))}


def timed(work: Callable[[], None], rounds: int) -> float:
    """Nanoseconds of CPU of one call."""
    begin = time.thread_time_ns()
    for _ in range(rounds):
        work()
    return (time.thread_time_ns() - begin) / rounds


def feed_llhttp(head: bytes) -> Callable[[], None]:
    """Create a parser and feed it a head."""
    nothing = object()
    create = httptools.HttpRequestParser

    def work() -> None:
        create(nothing).feed_data(head)

    return work


def upgrades(head: bytes) -> bool:
    """Whether httptools ends a head with an exception: its way to tell of an upgrade."""
    try:
        feed_llhttp(head)()
    except httptools.HttpParserUpgrade:
        return True
    return False


def feed_h11(head: bytes) -> Callable[[], None]:
    """Create a connection and read a head."""

    def work() -> None:
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(head)
        connection.next_event()

    return work


def measure(heads: list[bytes], loops: int, rounds: int) -> dict[str, list[list[float]]]:
    """Nanoseconds by contender, round and head."""
    found: dict[str, list[list[float]]] = {"fastgw": [], "llhttp": [], "h11": []}
    for _ in range(rounds):
        least = timed(feed_llhttp(LEAST), loops)
        ours, llhttp, slow = [], [], []
        for head in heads:
            ours.append(time_requests([head], loops * 4))
            llhttp.append(timed(feed_llhttp(head), loops) - least)
            slow.append(timed(feed_h11(head), max(1, loops // 100)))
        for name, row in zip(found, (ours, llhttp, slow), strict=True):
            found[name].append(row)
    return found


def column(rows: list[list[float]], at: int | None) -> list[float]:
    """One head's figures by round; with None the sum over all heads."""
    return [sum(row) if at is None else row[at] for row in rows]


def line(name: str, size: int, found: dict[str, list[list[float]]], at: int | None) -> Spread:
    """Print a row; the ratio of ours to llhttp."""
    ours, llhttp, slow = (column(found[k], at) for k in ("fastgw", "llhttp", "h11"))
    ratio = ratios(ours, llhttp)
    print(
        f"{name:20} {size:6} {spread(ours).median:9.0f} {spread(llhttp).median:9.0f} "
        f"{spread(slow).median:9.0f}   {ratio}"
    )
    return ratio


def main(argv: list[str]) -> int:
    """The command line; fails when the bar is missed."""
    parse = argparse.ArgumentParser(prog="python -m bench parser")
    parse.add_argument("--rounds", type=int, default=15)
    parse.add_argument("--loops", type=int, default=4000, help="heads a round and contender")
    parse.add_argument("--quick", action="store_true", help="a smoke test: no figure counts")
    args = parse.parse_args(argv)
    if args.quick:
        args.rounds, args.loops = 2, 100
    if debug.debug_build():
        print("this is a debug build: the figures say nothing", file=sys.stderr)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    corpus = {name: head for name, head in read_corpus().items() if not upgrades(head)}
    found = measure(list(corpus.values()), args.loops, args.rounds)
    print(f"{'head':20} {'bytes':>6} {'fastgw ns':>9} {'llhttp ns':>9} {'h11 ns':>9}   ours/llhttp")
    for at, (name, head) in enumerate(corpus.items()):
        line(name, len(head), found, at)
    ratio = line("all", sum(map(len, corpus.values())), found, None)
    print(f"bar: {BAR}x; {'held' if ratio.median <= BAR else 'MISSED'}")
    return 0 if args.quick or ratio.median <= BAR else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
