"""`python -m bench`: what can be measured, and with which options."""

from __future__ import annotations

import argparse
import importlib
import sys

from bench.contenders import PEER_MAKERS
from bench.scenarios import SCENARIOS

#: Benchmarks that bring their own `main(argv) -> int`, by name.
OTHERS = {
    "io": "bench.uvloop_proxy",
    "parser": "bench.parser",
    "idle": "bench.idle",
    "bodies": "bench.bodies",
    "tls": "bench.tls",
    "record": "bench.record",
    "router": "bench.router",
}


def names(text: str, known: dict[str, object]) -> list[str]:
    """A comma-separated list of known names."""
    chosen = [name for name in text.split(",") if name]
    for name in chosen:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
    return chosen


def plain(argv: list[str]) -> int:
    """The command line of `bench plain`."""
    parse = argparse.ArgumentParser(prog="python -m bench plain")
    parse.add_argument(
        "--only",
        type=lambda t: names(t, dict(SCENARIOS)),
        metavar="SCENARIO,...",
        help=", ".join(SCENARIOS),
    )
    parse.add_argument(
        "--peers",
        type=lambda t: names(t, dict(PEER_MAKERS)),
        metavar="PEER,...",
        help="default: all of " + ", ".join(PEER_MAKERS),
    )
    parse.add_argument("--rounds", type=int, default=7)
    parse.add_argument("--seconds", type=float, default=3.0, help="counted, per load")
    parse.add_argument("--warmup", type=float, default=0.5, help="seconds before each load")
    parse.add_argument("--no-fastgw", action="store_true", help="the peers alone")
    parse.add_argument("--quick", action="store_true", help="a smoke test: no figure counts")
    args = parse.parse_args(argv)
    if args.quick:
        args.rounds, args.seconds, args.warmup = 1, 0.3, 0.1
    from bench.plain import run

    return run(
        only=args.only,
        peers=args.peers,
        rounds=args.rounds,
        seconds=args.seconds,
        warmup=args.warmup,
        with_fastgw=not args.no_fastgw,
    )


def main(argv: list[str]) -> int:
    """Dispatch on the first word."""
    if not argv or argv[0] in ("-h", "--help"):
        print(
            "usage: python -m bench BENCHMARK [options]\n\nbenchmarks: plain, " + ", ".join(OTHERS)
        )
        return 0 if argv else 2
    if argv[0] == "plain":
        return plain(argv[1:])
    if argv[0] not in OTHERS:
        print(f"no benchmark {argv[0]!r}; there are: plain, {', '.join(OTHERS)}", file=sys.stderr)
        return 2
    code: int = importlib.import_module(OTHERS[argv[0]]).main(argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
