"""Options of `fastgw run` about what can be seen of a gateway: access log, admin API, metrics."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from fastgw.cli.source import option
from fastgw.control.sinks import STANDARD, check_target
from fastgw.control.token import TokenError, read_token
from fastgw.ext.record.log_options import read_options
from fastgw.master.control import ControlSettings

F = TypeVar("F", bound=Callable[..., Any])

_LOG_KEYS = ("format", "fields", "show", "sample", "keep", "skip")


def observe_options(command: F) -> F:
    """Add the options to a command."""
    add: list[Callable[[F], F]] = [
        option(
            "--access-log",
            section="Logs and metrics",
            metavar="TARGET",
            default="",
            help="Where a line for each request goes: '-' (standard output), 'stderr', a path, "
            "unix:/path or tcp:ip:port.  [default: nowhere, or what FILE says]",
        ),
        option(
            "--access-log-format",
            section="Logs and metrics",
            metavar="FORMAT",
            help="json, combined, or a template as '{client} {method} {path} {status}'.  "
            "[default: json]",
        ),
        option(
            "--access-log-fields",
            section="Logs and metrics",
            metavar="NAME,...",
            help="Fields of a JSON line, in their order.",
        ),
        option(
            "--access-log-show",
            section="Logs and metrics",
            metavar="NAME,...",
            help="What is not to be redacted: authorization, cookie, query, query.NAME ...",
        ),
        option(
            "--access-log-sample",
            section="Logs and metrics",
            metavar="PART",
            help="Part of the lines that is written, as 10%.  [default: all]",
        ),
        option(
            "--access-log-keep",
            section="Logs and metrics",
            metavar="RULE",
            multiple=True,
            help="Lines that are always written, as 'status=5xx,slower_than=1s'; repeatable.",
        ),
        option(
            "--access-log-skip",
            section="Logs and metrics",
            metavar="RULE",
            multiple=True,
            help="Lines that are not written, as 'path=/health'; repeatable.",
        ),
        option(
            "--admin-listen",
            section="Logs and metrics",
            metavar="IP:PORT",
            default="",
            help="Serve the admin API here, too; needs --admin-token-file.  "
            "[default: admin.sock in the run directory alone]",
        ),
        option(
            "--admin-token-file",
            section="Logs and metrics",
            metavar="FILE",
            help="File with the token that clients of --admin-listen must send.",
        ),
        option(
            "--metrics-listen",
            section="Logs and metrics",
            metavar="IP:PORT",
            default="",
            help="Serve /metrics, and nothing else, here, without a token.",
        ),
    ]
    for decorate in reversed(add):
        command = decorate(command)
    return command


def take_observe(options: dict[str, Any], log_level: str) -> tuple[ControlSettings, dict[str, Any]]:
    """What the options say, taken out of `options`: the control process's settings, and the
    keys of `access_log` in a configuration. A wrong one is a click.BadParameter that names it."""
    log = {key: options.pop(f"access_log_{key}", None) for key in _LOG_KEYS}
    for key in ("fields", "show"):
        if log[key] is not None:
            log[key] = [name.strip() for name in log[key].split(",")]
    log["keep"], log["skip"] = list(log["keep"]), list(log["skip"])
    said = {key: value for key, value in log.items() if value not in (None, [])}
    target = _target(options.pop("access_log"))
    try:
        read_options(said)
    except ValueError as e:
        key, _, _ = str(e).partition(":")
        name = f"--access-log-{key}" if key in _LOG_KEYS else "--access-log-format"
        raise click.BadParameter(str(e), param_hint=name) from e
    admin, token = options.pop("admin_listen"), _token(options.pop("admin_token_file"))
    if admin and not token:
        raise click.UsageError("--admin-listen needs --admin-token-file")
    settings = ControlSettings(
        admin_listen=admin,
        admin_token=token,
        metrics_listen=options.pop("metrics_listen"),
        log_level=log_level,
    )
    return settings, ({"to": target} if target else {}) | said


def _target(given: str) -> str:
    """A path is taken from where the command was started."""
    if given and given not in STANDARD and not given.startswith(("/", "unix:", "tcp:")):
        given = os.path.abspath(given)
    if given:
        try:
            check_target(given)
        except ValueError as e:
            raise click.BadParameter(str(e), param_hint="--access-log") from e
    return given


def _token(path: str | None) -> str:
    if path is None:
        return ""
    try:
        return read_token(path)
    except TokenError as e:
        raise click.BadParameter(str(e), param_hint="--admin-token-file") from e
