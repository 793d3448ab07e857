"""The options that describe a configuration, for `run` and `show` alike.

They stand for what a file would say and travel to the compiler as they were written: one
place reads durations, sizes and networks, and finds all errors at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_LISTEN = "127.0.0.1:8080"

#: Name in the configuration -> (default, what it limits).
TIMEOUTS = {
    "request_head": ("10s", "first byte of a request's head until the head is whole"),
    "body_idle": ("30s", "no byte of a request body while the gateway is ready to read"),
    "connect": ("2s", "connecting to one upstream address"),
    "response_head": ("30s", "request sent until the upstream's response head"),
    "idle": ("60s", "no byte moves between client and upstream"),
    "request": ("30s", "request head until the response head, retries included"),
    "keepalive": ("75s", "client connection without a request"),
    "linger": ("2s", "reading on after an early answer, before closing"),
}
LIMITS = {
    "head": ("32KiB", "bytes of a request head"),
    "target": ("8KiB", "bytes of a request target"),
    "fields": ("100", "field lines of a head"),
    "requests": ("10000", "requests on one client connection; none = no limit"),
    "body": ("10MiB", "bytes of a request body; none = no limit"),
    "memory": ("256MiB", "bytes of all buffers of one worker"),
}


def option_name(group: str, key: str) -> str:
    """`timeout`, `request_head` -> `timeout_request_head`."""
    return f"{group}_{key}"


def source_options(command: F) -> F:
    """Add the options of a configuration to a command."""
    add: list[Callable[[F], F]] = [
        click.argument("file", required=False, type=click.Path(dir_okay=False)),
        click.option(
            "--to",
            multiple=True,
            metavar="URL",
            help="Upstream that everything is sent to; repeat for several addresses in turn.",
        ),
        click.option(
            "--listen",
            multiple=True,
            metavar="ADDR",
            help="IP:port, [v6]:port, :port (all addresses) or unix:/path; with https:// before "
            "it for TLS; repeatable.  "
            f"[default: {DEFAULT_LISTEN}, or what FILE says]",
        ),
        click.option(
            "--tls-cert",
            metavar="FILE",
            help="Certificate with its chain (PEM) for --listen https://ADDR.",
        ),
        click.option(
            "--tls-key",
            metavar="FILE",
            help="Its private key (PEM).  [default: in --tls-cert, or beside it as .key]",
        ),
        click.option(
            "--trusted-proxies",
            multiple=True,
            metavar="CIDR",
            help="Networks whose X-Forwarded-* are believed; repeatable.  [default: none]",
        ),
        *(_limit("timeout", "DURATION", *row) for row in TIMEOUTS.items()),
        *(_limit("limit", "SIZE", *row) for row in LIMITS.items()),
    ]
    for decorate in reversed(add):
        command = decorate(command)
    return command


def _limit(group: str, metavar: str, key: str, row: tuple[str, str]) -> Callable[[F], F]:
    default, what = row
    return click.option(
        "--" + option_name(group, key).replace("_", "-"),
        metavar="N" if default.isdigit() else metavar,
        help=f"{what[0].upper()}{what[1:]}.  [default: {default}]",
    )


def read_source(options: dict[str, Any]) -> dict[str, Any]:
    """What the compiler is asked to read: a file, or what the options say.

    `options` is what click parsed; a file and --to exclude each other."""
    file, to = options.get("file"), list(options.get("to") or ())
    if file and to:
        raise click.UsageError("FILE and --to exclude each other")
    if not file and not to:
        raise click.UsageError("nothing to run: give a FILE, or --to URL")
    said: dict[str, Any] = {"timeouts": _given("timeout", TIMEOUTS, options)}
    said["limits"] = _given("limit", LIMITS, options)
    for key in ("to", "listen", "trusted_proxies"):
        said[key] = list(options.get(key) or ())
    said |= _tls(options, said["listen"])
    return {"file": file, "options": {k: v for k, v in said.items() if v}}


def _tls(options: dict[str, Any], listen: list[str]) -> dict[str, str]:
    """The certificate of the command line's listeners."""
    cert, key = options.get("tls_cert") or "", options.get("tls_key") or ""
    if key and not cert:
        raise click.UsageError("--tls-key needs --tls-cert")
    secure = any(one.startswith("https://") for one in listen)
    if cert and not secure:
        raise click.UsageError("--tls-cert needs a --listen https://ADDR")
    if secure and not cert:
        raise click.UsageError("--listen https://ADDR needs --tls-cert FILE")
    return {"tls_cert": cert, "tls_key": key}


def _given(
    group: str, keys: dict[str, tuple[str, str]], options: dict[str, Any]
) -> dict[str, str | int]:
    found = {key: options.get(option_name(group, key)) for key in keys}
    # A count is a number; durations and sizes are text with a unit.
    return {k: int(v) if v.isdigit() else v for k, v in found.items() if v is not None}
