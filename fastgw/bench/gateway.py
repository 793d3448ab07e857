"""The gateways that scenarios name: fastgw with the command lines of gateways.toml."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from fastgw import __version__
from fastgw.bench import cost_lines, many_routes
from fastgw.bench.contender import Contender
from fastgw.bench.drive import HOME
from fastgw.bench.many_routes import UNIFORM
from fastgw.bench.process import free_port

HERE = Path(__file__).resolve().parent
#: Name of a gateway with so many routes, or of a line of the cost table.
ROUTES, COST = "routes-", "cost-"
CONFIG = "gateway.yaml"
#: What reading a configuration may take, besides the start itself.
PATIENCE_S_PER_ROUTE = 0.002


@cache
def tables() -> dict[str, dict[str, Any]]:
    """gateways.toml."""
    return tomllib.loads((HERE / "gateways.toml").read_text())


def table(gateway: str) -> dict[str, Any]:
    """`options` and `config` of a gateway, as gateways.toml or costs.toml say. ValueError if
    neither knows it."""
    if gateway.startswith((ROUTES, UNIFORM)):
        return tables()["routes"]
    try:
        if gateway.startswith(COST):
            line = cost_lines.line(gateway.removeprefix(COST))
            return {"options": line.options, "config": line.config()}
        return tables()[gateway]
    except KeyError:
        raise ValueError(f"no gateway {gateway!r} in gateways.toml or costs.toml") from None


def uses_tls(gateway: str) -> bool:
    """Whether clients of a gateway speak TLS."""
    if gateway.startswith(COST):
        return cost_lines.line(gateway.removeprefix(COST)).tls
    return gateway.startswith("tls")


def routes(count: int) -> str:
    """`count` routes by prefix."""
    return "\n".join(f"  r{i}: {{match: /r{i}/*, upstream: origin}}" for i in range(count))


def routes_of(gateway: str) -> str:
    """The routes that a gateway has besides those that its file names."""
    count = route_count(gateway)
    return "\n".join(many_routes.lines(count)) if gateway.startswith(UNIFORM) else routes(count)


def route_count(gateway: str) -> int:
    """How many routes a gateway has besides those that its file names."""
    for kind in (ROUTES, UNIFORM):
        if gateway.startswith(kind):
            return int(gateway.removeprefix(kind))
    if gateway.startswith(COST):
        return cost_lines.line(gateway.removeprefix(COST)).routes
    return 0


def command(gateway: str, workers: int, listen: int, origin: int, folder: Path) -> list[str]:
    """The command line of `fastgw run`; its configuration and certificate are written."""
    said = table(gateway)
    words = {
        "@LISTEN@": str(listen),
        "@ORIGIN@": str(origin),
        "@DIR@": str(folder),
        "@SPARE@": str(free_port()),
        "@ROUTES@": routes_of(gateway),
    }

    def filled(text: str) -> str:
        for word, value in words.items():
            text = text.replace(word, value)
        return text

    if uses_tls(gateway):
        certificate(folder)
    options = [filled(option) for option in said.get("options", [])]
    if "config" in said:
        file = folder / CONFIG
        file.write_text(filled(said["config"]))
        options.insert(0, str(file))
    return [
        sys.executable,
        "-m",
        "fastgw",
        "run",
        *options,
        "--workers",
        str(workers),
        "--run-dir",
        str(folder / "run"),
    ]


def fastgw(gateway: str = "plain", label: str = "fastgw", workers: int = 1) -> Contender:
    """fastgw as a contender."""
    table(gateway)

    def run(listen: int, origin: int, folder: Path) -> list[str]:
        return command(gateway, workers, listen, origin, folder)

    made = Contender(label, __version__, run, tls=uses_tls(gateway))
    if gateway.startswith(ROUTES):
        made.probe = "/r0/items"
    elif gateway.startswith(UNIFORM):
        made.probe_host, made.probe = many_routes.probe()
    made.patience_s += route_count(gateway) * PATIENCE_S_PER_ROUTE
    return made


def certificate(folder: Path) -> None:
    """A self-signed ECDSA P-256 certificate: cert.pem, key.pem, and both in one as both.pem.
    RuntimeError when there is no `openssl`."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    if cert.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    wanted = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30"
    subject = ["-subj", "/CN=api.example.com", "-addext", "subjectAltName=DNS:api.example.com"]
    try:
        subprocess.run(
            ["openssl", *wanted.split(), *subject, "-keyout", str(key), "-out", str(cert)],
            check=True,
            capture_output=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError) as e:
        raise RuntimeError(f"a certificate is needed, and openssl can't make it: {e}") from None
    (folder / "both.pem").write_bytes(cert.read_bytes() + key.read_bytes())


def refusal(gateway: str, folder: Path) -> str | None:
    """Why this fastgw can't be that gateway, in its own words; None when it can.

    Asked is the gateway itself: its options must be options of `fastgw run`, and `fastgw
    check` must take its configuration."""
    from fastgw.cli.run import run

    said = table(gateway)
    known = {option for parameter in run.params for option in parameter.opts}
    for option in said.get("options", []):
        if option.startswith("--") and option not in known:
            return f"there is no option {option}"
    if "config" not in said:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    # With few routes: what is asked is whether they can be written, not how many.
    asked = gateway
    for kind in (ROUTES, UNIFORM):
        asked = kind + "10" if gateway.startswith(kind) else asked
    command(asked, 1, free_port(), free_port(), folder)
    done = subprocess.run(
        [sys.executable, "-m", "fastgw", "check", str(folder / CONFIG)],
        cwd=HOME,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines() or ["refused"]
    return lines[0].replace(f"{folder}/", "")
