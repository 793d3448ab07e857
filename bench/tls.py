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
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench import native, process
from bench.contenders import Contender, _configured, fastgw, version_of
from bench.plain import cores
from bench.scenarios import BODY
from bench.statistics import ratios, spread
from fastgw.ext.io.tls.self_signed import make_self_signed

MIB = 1024 * 1024


@dataclass(frozen=True)
class Load:
    """One kind of load, and the ratio to HAProxy that it is meant to stay under."""

    name: str
    bar: float
    connections: int = 0  # wrk's; 0 = openssl s_time
    reuse: bool = False
    body: bytes = BODY


LOADS = {
    load.name: load
    for load in (
        Load("keep-alive", 0.90, connections=64),
        Load("large", 0.90, connections=16, body=bytes(range(256)) * (MIB // 256)),
        Load("handshake", 1.05),
        Load("resumed", 1.00, reuse=True),
    )
}


class TlsContender(Contender):
    """A proxy whose one listener has TLS."""

    def await_answer(self, deadline: float) -> None:
        """Return once a request is answered with 200."""
        import http.client

        context = ssl._create_unverified_context()
        assert self.running is not None
        while time.monotonic() < deadline and self.running.poll() is None:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=2, context=context
            )
            try:
                connection.request("GET", "/")
                if connection.getresponse().status == 200:
                    return
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
            finally:
                connection.close()
        self.stop()
        raise RuntimeError(f"{self.name} did not come up; its log is {self.log}")


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

    found: list[Contender] = [TlsContender("fastgw", plain.version, ours)]
    path = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if path:
        haproxy = path

        def theirs(listen: int, origin: int, folder: Path) -> list[str]:
            certificate(folder)
            file = _configured("haproxy-tls.cfg", folder, listen, origin)
            return [haproxy, "-db", "-f", file]

        found.append(TlsContender("haproxy", version_of(haproxy, "-v"), theirs))
    return found


def requests_of(load: Load, port: int, seconds: int, cpu: int | None) -> int:
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
    load: Load, field: list[Contender], rounds: int, seconds: int, cpu: int | None
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
    gateway_cpu, other_cpu = cores()
    with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
        folder = Path(made)
        (folder / "body").write_bytes(load.body)
        origin = subprocess.Popen(
            [str(native.program("origin")), str(folder / "body")],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=process.pinned(other_cpu),
        )
        field = contenders()
        try:
            assert origin.stdout is not None
            port = int(origin.stdout.readline().split()[1])
            for contender in field:
                contender.start(port, folder / contender.name, gateway_cpu)
            return measure(load, field, rounds, seconds, other_cpu)
        finally:
            for contender in field:
                contender.stop()
            origin.kill()
            origin.wait(5)


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
            met = ratio.median <= LOADS[name].bar
            missed |= not met
            print(
                f"{name:11} ratio    {ratio}, bar {LOADS[name].bar}: {'met' if met else 'MISSED'}"
            )
    return 1 if missed else 0
