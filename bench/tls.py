"""`python -m bench tls`: CPU of TLS towards clients, beside HAProxy with the same OpenSSL.

keep-alive     64 connections that stay, 128-byte answers
large          16 connections that stay, answers of 1 MiB
handshake      a new connection and a full handshake (ECDSA P-256) for each request
resumed        a new connection that resumes a session for each request

The load comes from Debian's wrk and from `openssl s_time`. CPU is the contender's own time
(/proc/PID/schedstat) divided by requests. Contenders take turns within each round, and what is
compared is the ratio of a round, since what disturbs the machine disturbs both.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import PEERS, configured, version_of
from bench.statistics import ratios, spread
from fastgw.bench import process
from fastgw.bench.contender import Contender
from fastgw.bench.drive import Answer, OriginProcess
from fastgw.bench.gateway import fastgw
from fastgw.bench.messages import JSON_BODY, answer
from fastgw.ext.io.tls.self_signed import make_self_signed

MIB = 1024 * 1024


@dataclass(frozen=True)
class Load:
    """One kind of load, and the ratio to HAProxy that it is meant to stay under."""

    name: str
    bar: float
    connections: int = 0  # wrk's; 0 = openssl s_time
    reuse: bool = False
    body: bytes = JSON_BODY


LOADS = {
    load.name: load
    for load in (
        Load("keep-alive", 0.90, connections=64),
        Load("large", 0.90, connections=16, body=bytes(range(256)) * (MIB // 256)),
        Load("handshake", 1.05),
        Load("resumed", 1.00, reuse=True),
    )
}


def certificate(folder: Path) -> Path:
    """Certificate and key in one file of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / "cert.pem"
    made.write_bytes(b"".join(make_self_signed(["localhost", "127.0.0.1"])))
    return made


def contenders() -> list[Contender]:
    """The gateway of this tree and, where it is installed, HAProxy."""
    plain = fastgw()

    def ours(listen: int, origin: int, folder: Path) -> list[str]:
        argv = [*plain.command(listen, origin, folder), "--tls-cert", str(certificate(folder))]
        return [a.replace(f"127.0.0.1:{listen}", f"https://127.0.0.1:{listen}") for a in argv]

    found: list[Contender] = [Contender("fastgw", plain.version, ours, tls=True)]
    path = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if path:
        haproxy = path

        def theirs(listen: int, origin: int, folder: Path) -> list[str]:
            certificate(folder)
            file = configured(PEERS / "haproxy-tls.cfg", folder, listen, origin, 1)
            return [haproxy, "-db", "-f", str(file)]

        found.append(Contender("haproxy", version_of(haproxy, "-v"), theirs, tls=True))
    return found


def requests_of(load: Load, port: int, seconds: int, cpu: set[int] | None) -> int:
    """Put a load on a port; how many requests were answered."""
    if load.connections:
        argv = ["wrk", "-t1", f"-c{load.connections}", f"-d{seconds}", f"https://127.0.0.1:{port}/"]
        pattern = r"(\d+) requests in"
    else:
        argv = ["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-www", "/"]
        argv += ["-time", str(seconds), "-reuse" if load.reuse else "-new"]
        pattern = r"(\d+) connections in \d+ real"
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=seconds + 30, preexec_fn=process.pinned(cpu)
    )
    found = re.search(pattern, done.stdout)
    if found is None or "Non-2xx" in done.stdout:
        raise RuntimeError(f"{argv[0]} failed: {done.stdout}{done.stderr}")
    return int(found[1])


def measure(
    load: Load, field: list[Contender], rounds: int, seconds: int, cpu: set[int] | None
) -> dict[str, list[float]]:
    """Microseconds of CPU a request, by contender, a figure a round."""
    samples: dict[str, list[float]] = {c.name: [] for c in field}
    for n in range(rounds):
        for contender in field if n % 2 else field[::-1]:
            pids = contender.pids()
            before = process.cpu_ns(pids)
            done = requests_of(load, contender.port, seconds, cpu)
            samples[contender.name].append((process.cpu_ns(pids) - before) / done / 1000)
    return samples


def run(load: Load, rounds: int, seconds: int) -> dict[str, list[float]]:
    """Start everything for one load and measure it."""
    gateway_cpu, other_cpu = process.cores()
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
        folder = Path(made)
        field = contenders()
        answers = [Answer("/", "bytes", answer(load.body))]
        with OriginProcess(answers, other_cpu) as origin:
            try:
                for contender in field:
                    contender.start(origin.port, folder / contender.name, gateway_cpu)
                return measure(load, field, rounds, seconds, other_cpu)
            finally:
                for contender in field:
                    contender.stop()


def main(argv: list[str]) -> int:
    """Measure, print, and say which bars are met."""
    parse = argparse.ArgumentParser(prog="python -m bench tls")
    parse.add_argument("--only", choices=LOADS, action="append")
    parse.add_argument("--rounds", type=int, default=7)
    parse.add_argument("--seconds", type=int, default=3)
    args = parse.parse_args(argv)
    missing = [name for name in ("wrk", "openssl") if not shutil.which(name)]
    if missing:
        print(f"needs {' and '.join(missing)}")
        return 2
    missed = False
    for name in args.only or LOADS:
        samples = run(LOADS[name], args.rounds, args.seconds)
        for who, values in samples.items():
            print(f"{name:11} {who:8} {spread(values)} us a request")
        print(json.dumps({"load": name, "cpu_us": samples}))
        if "haproxy" in samples:
            ratio = ratios(samples["fastgw"], samples["haproxy"])
            met = ratio.high <= LOADS[name].bar
            missed |= not met
            print(
                f"{name:11} ratio    {ratio}, bar {LOADS[name].bar}: {'met' if met else 'MISSED'}"
            )
    return 1 if missed else 0
