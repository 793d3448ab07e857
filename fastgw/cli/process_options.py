"""Options of `fastgw run` about processes: how they end, whom they run as, who is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from fastgw.cli.source import option

F = TypeVar("F", bound=Callable[..., Any])
SECTION = "Processes"
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def read_seconds(_ctx: click.Context, _option: click.Parameter, value: str) -> float:
    """A duration of the processes themselves: 500ms, 30s, 5m."""
    number = value.rstrip("msh")
    unit = value[len(number) :]
    if number.isascii() and number.isdigit() and unit in SECONDS:
        return int(number) * SECONDS[unit]
    raise click.BadParameter(f"{value!r} is no duration: a number with ms, s, m or h")


def duration(name: str, default: str, text: str) -> Callable[[F], F]:
    """An option that is a duration."""
    made: Callable[[F], F] = option(
        name,
        section=SECTION,
        callback=read_seconds,
        metavar="DURATION",
        default=default,
        show_default=True,
        help=text,
    )
    return made


def process_options(command: F) -> F:
    """Add the options to a command."""
    add: list[Callable[[F], F]] = [
        duration("--timeout-drain", "30s", "How long a drain may take before the rest is ended."),
        duration(
            "--timeout-streams",
            "5m",
            "The same for upgraded connections, which may go on for so long.",
        ),
        duration(
            "--drain-delay",
            "0s",
            "How long /readyz is red before connections are refused, so that load balancers "
            "hear of it.",
        ),
        duration(
            "--timeout-hung",
            "5s",
            "A worker that makes no turns for so long is ended; after 1 s it gets no connections.",
        ),
        duration(
            "--orphan-grace",
            "60s",
            "How long workers serve on when the master is gone; another one takes them over.",
        ),
        option(
            "--watch",
            section=SECTION,
            is_flag=True,
            help="Reload when a file that the configuration was read from changes: included ones, "
            "certificates, secrets, plugins.",
        ),
        option(
            "--health-listen",
            section=SECTION,
            metavar="ADDR",
            multiple=True,
            help="Where workers answer GET /healthz and /readyz, without a token; repeatable.",
        ),
        option(
            "--user",
            section=SECTION,
            default="",
            help="User that workers, control process and compiler run as.",
        ),
        option(
            "--group",
            section=SECTION,
            default="",
            help="Group that they run as.  [default: the user's]",
        ),
        option(
            "--cpu-affinity",
            section=SECTION,
            is_flag=True,
            help="Keep each worker on one processor, those that we may use in turn.",
        ),
        option(
            "--pidfile",
            section=SECTION,
            metavar="PATH",
            default="",
            help="File that holds the master's pid while it serves.",
        ),
    ]
    for one in reversed(add):
        command = one(command)
    return command


def take_process(options: dict[str, Any]) -> dict[str, Any]:
    """Take the options out of a command's; as Settings has them."""
    drain_s = options.pop("timeout_drain")
    return {
        "drain_s": drain_s,
        "streams_s": max(options.pop("timeout_streams"), drain_s),
        "drain_delay_s": options.pop("drain_delay"),
        "hung_s": options.pop("timeout_hung"),
        "orphan_grace_s": options.pop("orphan_grace"),
        "watch": options.pop("watch"),
        "health_listen": list(options.pop("health_listen")),
        "user": options.pop("user"),
        "group": options.pop("group"),
        "cpu_affinity": options.pop("cpu_affinity"),
        "pidfile": options.pop("pidfile"),
    }
