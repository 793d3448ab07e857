"""The options that describe a configuration, for every verb that reads one.

They stand for what a file would say and travel to the compiler as they were written: one
place reads durations, sizes and networks, and finds all errors at once. A flag overrides
its environment variable, which overrides the file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from fastgw.cli.help import Option
from fastgw.cli.tunables import LIMITS, TIMEOUTS

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_LISTEN = "127.0.0.1:8080"
#: Begins the name of every environment variable.
PREFIX = "FASTGW_"


def option_name(group: str, key: str) -> str:
    """`timeout`, `request_head` -> `timeout_request_head`."""
    return f"{group}_{key}"


def variable(name: str) -> str:
    """The environment variable of an option: `run_dir` -> FASTGW_RUN_DIR."""
    return PREFIX + name.upper()


def option(*flags: str, section: str, **more: Any) -> Callable[[F], F]:
    """An option of a section, with its environment variable."""
    name = max(flags, key=len).lstrip("-").replace("-", "_")
    more.setdefault("envvar", variable(name))
    return click.option(*flags, cls=Option, section=section, **more)


def file_argument(command: F) -> F:
    """A configuration's file, as an argument, -c or FASTGW_CONFIG."""
    for decorate in (
        option(
            "-c",
            "--config",
            section="What it serves",
            metavar="FILE",
            type=click.Path(),
            help="The configuration: YAML, JSON, or Python that makes one (gateway.py). The same"
            " as the argument FILE.",
        ),
        click.argument("file", required=False, type=click.Path()),
    ):
        command = decorate(command)
    return command


def source_options(command: F) -> F:
    """Add the options of a configuration to a command."""
    add: list[Callable[[F], F]] = [
        file_argument,
        option(
            "--to",
            section="What it serves",
            multiple=True,
            metavar="URL",
            help="Upstream that everything is sent to; repeat for several addresses in turn.",
        ),
        option(
            "--listen",
            section="What it serves",
            multiple=True,
            metavar="ADDR",
            help="IP:port, [v6]:port, :port (all addresses) or unix:/path; with https:// before "
            "it for TLS; repeatable.  "
            f"[default: {DEFAULT_LISTEN}, or what FILE says]",
        ),
        option(
            "--tls-cert",
            section="What it serves",
            metavar="FILE",
            help="Certificate with its chain (PEM) for --listen https://ADDR.",
        ),
        option(
            "--tls-key",
            section="What it serves",
            metavar="FILE",
            help="Its private key (PEM).  [default: in --tls-cert, or beside it as .key]",
        ),
        option(
            "--trusted-proxies",
            section="What it serves",
            multiple=True,
            metavar="CIDR",
            help="Networks whose X-Forwarded-* are believed; repeatable.  [default: none]",
        ),
        option(
            "--strict",
            section="What it serves",
            is_flag=True,
            help="Warnings of the configuration are errors.",
        ),
        *(_limit("timeout", "DURATION", *row) for row in TIMEOUTS.items()),
        *(_limit("limit", "SIZE", *row) for row in LIMITS.items()),
    ]
    for decorate in reversed(add):
        command = decorate(command)
    return command


def _limit(group: str, metavar: str, key: str, row: tuple[str, str]) -> Callable[[F], F]:
    default, what = row
    return option(
        "--" + option_name(group, key).replace("_", "-"),
        section=f"{group.capitalize()}s (for `defaults`; a route may say otherwise)",
        metavar="N" if default.isdigit() else metavar,
        help=f"{what}  [default: {default}]",
    )


def read_source(options: dict[str, Any], verb: str = "run") -> dict[str, Any]:
    """What the compiler is asked to read: a file, or what the options say.

    `options` is what click parsed; a file and --to exclude each other. `verb`: what there is
    nothing to do without either."""
    file, to = chosen_file(options), list(options.get("to") or ())
    if file and to:
        if given("to") and not (given("file") or given("config")):
            file = None
        elif (given("file") or given("config")) and not given("to"):
            to = []
        else:
            raise click.UsageError("FILE and --to exclude each other")
    if not file and not to:
        raise click.UsageError(f"nothing to {verb}: give a FILE, or --to URL")
    said: dict[str, Any] = {"timeouts": _given("timeout", TIMEOUTS, options)}
    said["limits"] = _given("limit", LIMITS, options)
    for key in ("listen", "trusted_proxies"):
        said[key] = list(options.get(key) or ())
    said["to"], said["strict"] = to, bool(options.get("strict"))
    said |= _tls(options, said["listen"])
    return {"file": file, "options": {k: v for k, v in said.items() if v}}


def _tls(options: dict[str, Any], listen: list[str]) -> dict[str, str]:
    """The certificate of the command line's listeners."""
    cert, key = options.get("tls_cert") or "", options.get("tls_key") or ""
    if key and not cert:
        raise click.UsageError("--tls-key needs --tls-cert")
    secure = any(one.startswith("https://") for one in listen)
    if cert and not secure and given("tls_cert"):
        raise click.UsageError("--tls-cert needs a --listen https://ADDR")
    if secure and not cert:
        raise click.UsageError("--listen https://ADDR needs --tls-cert FILE")
    return {"tls_cert": cert, "tls_key": key} if secure else {}


def chosen_file(options: dict[str, Any]) -> str | None:
    """The file of the argument or of -c; on the command line only one of them."""
    file, config = options.get("file"), options.get("config")
    if file and config and given("config"):
        raise click.UsageError("-c FILE and FILE are the same; give one")
    found: str | None = file or config
    return found


def needed_file(options: dict[str, Any]) -> str:
    """The file of a verb that can't do without."""
    file = chosen_file(options)
    if not file:
        raise click.UsageError(f"no configuration: give a FILE, or set {variable('config')}")
    return file


def given(name: str) -> bool:
    """Whether an option was given on the command line, not by the environment."""
    ctx = click.get_current_context(silent=True)
    return ctx is not None and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _given(
    group: str, keys: dict[str, tuple[str, str]], options: dict[str, Any]
) -> dict[str, str | int]:
    found = {key: options.get(option_name(group, key)) for key in keys}
    # A count is a number; durations and sizes are text with a unit.
    return {k: int(v) if v.isdigit() else v for k, v in found.items() if v is not None}
