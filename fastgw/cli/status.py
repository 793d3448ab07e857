"""`fastgw status`: what a running gateway is doing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from fastgw.cli.gateway import NoAnswer, ask, folder_of, gateway_options

PARTS = ("readyz", "config", "workers", "upstreams", "connections")


@click.command()
@gateway_options
@click.option("--json", "as_json", is_flag=True, help="Print all of it as one JSON document.")
def status(run_dir: str | None, name: str, as_json: bool) -> None:
    """Show a running gateway: generation, workers, connections, upstreams.

    Exit code 0 if it takes requests, 1 if it does not or can't be reached."""
    folder = folder_of(run_dir, name)
    try:
        found = {part: ask("GET", f"/{part}", folder)[1] for part in PARTS}
    except NoAnswer as e:
        click.echo(str(e), err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        for line in lines(found, time.time()):
            click.echo(line)
    sys.exit(0 if found["readyz"].get("status") == "ready" else 1)


def lines(found: dict[str, Any], now_s: float) -> Iterator[str]:
    """All of it for a terminal."""
    ready, config, counts = found["readyz"], found["config"], found["connections"]
    yield "ready" if ready.get("status") == "ready" else f"not ready: {ready.get('detail')}"
    source = config["source"].get("file") or "command line"
    yield (
        f"generation {config['generation']} ({config['hash'][:12]}) from {source}, "
        f"loaded {ago(now_s - config['loaded_s'])}"
    )
    yield f"{counts['open']} connections, {counts['exchanges']} requests under way"
    by_worker = {row["worker"]: row for row in counts["workers"]}
    for w in found["workers"]["workers"]:
        row = by_worker.get(str(w["slot"]), {})
        up = span(now_s - w["started_s"])
        yield (
            f"  worker {w['slot']}: {w['state']}, pid {w['pid']}, up {up}, "
            f"restarts {w['restarts']}, connections {row.get('open', 0)}"
        )
    for upstream in found["upstreams"]["upstreams"]:
        yield f"  upstream {upstream['name']}:"
        for e in upstream["endpoints"]:
            yield (
                f"    {e['url']}: {e['open_attempts']} under way, {e['attempts']} attempts, "
                f"{e['failures']} failed, {e['idle_connections']} idle connections"
            )


def span(seconds: float) -> str:
    """A duration for people: 12 s, 5 min, 3 h, 2 d."""
    for unit, least in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= least:
            return f"{int(seconds // least)} {unit}"
    return f"{max(0, int(seconds))} s"


def ago(seconds: float) -> str:
    """How long ago, for people."""
    return f"{span(seconds)} ago"
