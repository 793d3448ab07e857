"""`fastgw bench`: a load on a URL, or a scenario against a gateway of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from fastgw.cli.process_options import read_seconds

EPILOG = """\b
Latency counts from when a request was due: with --rate a stall is felt by all that were due
in it (corrected for coordinated omission). Times are exact to 0.4 %.
\b
Exit codes: 0 all answers were right, 1 some were not, 2 the command line is wrong or nobody
answers."""


def read_header(
    _ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """`Name: value`, as in curl."""
    found = []
    for text in values:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"{text!r} is not 'Name: value'")
        found.append((name.strip(), value.strip()))
    return tuple(found)


def read_body(_ctx: click.Context, _option: click.Parameter, value: str | None) -> bytes:
    """Text, or @FILE."""
    if value is None:
        return b""
    if not value.startswith("@"):
        return value.encode()
    try:
        return Path(value[1:]).read_bytes()
    except OSError as e:
        raise click.BadParameter(f"{value[1:]}: {e.strerror}") from None


@click.command(epilog=EPILOG)
@click.argument("what", metavar="URL|SCENARIO", required=False)
@click.option("--list", "listed", is_flag=True, help="Name the scenarios.")
@click.option("-c", "--connections", type=click.IntRange(1, 1_000_000), default=64,
              show_default=True, help="Connections at the same time.")  # fmt: skip
@click.option("-d", "--duration", "seconds", callback=read_seconds, metavar="DURATION",
              default="10s", show_default=True, help="How long requests are sent.")  # fmt: skip
@click.option("--warmup", "warmup_s", callback=read_seconds, metavar="DURATION", default="1s",
              show_default=True, help="Sent before that, and not counted.")  # fmt: skip
@click.option("--rate", type=click.FloatRange(0), default=0.0, metavar="N",
              help="Requests a second, sent whatever comes back.  [default: as fast as "
              "answers come]")  # fmt: skip
@click.option("--pipeline", "depth", type=click.IntRange(1, 64), default=1, show_default=True,
              metavar="N", help="Requests under way on one connection.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True,
              metavar="N", help="Threads that share the load.")  # fmt: skip
@click.option("--new-connection", is_flag=True, help="A connection for each request.")
@click.option("-X", "--method", default="GET", show_default=True, help="Method.")
@click.option("-H", "--header", "headers", multiple=True, callback=read_header,
              metavar="'NAME: VALUE'", help="A field of the request; repeatable.")  # fmt: skip
@click.option("--body", callback=read_body, metavar="TEXT|@FILE", help="Body of the request.")
@click.option("--message-bytes", type=click.IntRange(1, 65535), default=64, show_default=True,
              metavar="N", help="ws:// and wss://: size of the messages that are echoed."
              )  # fmt: skip
@click.option("--events", is_flag=True, help="The answers are endless streams of events, "
              "'data: N' with the monotonic time in ns of each.")  # fmt: skip
@click.option("--mix", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              metavar="FILE", help="Several requests in given shares (TOML; docs/bench.md)."
              )  # fmt: skip
@click.option("--replay", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              metavar="FILE", help="The requests of an access log, at their times.")  # fmt: skip
@click.option("--speed", type=click.FloatRange(0.001), default=1.0, show_default=True,
              metavar="N", help="--replay: so many times as fast.")  # fmt: skip
@click.option("--insecure", is_flag=True, help="https: do not check the certificate.")
@click.option("--ca", default="", metavar="FILE", help="https: believe these certificates only.")
@click.option("--tls-resume", is_flag=True, help="https: resume the last session.")
@click.option("--timeout", "timeout_s", callback=read_seconds, metavar="DURATION",
              default="10s", show_default=True, help="For one answer.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The result as JSON, with its histogram.")
def bench(
    what: str | None, listed: bool, insecure: bool, as_json: bool, body: bytes | None, **given: Any
) -> None:
    """Put a load on a URL and say how fast it is answered, or run a scenario.

    \b
    fastgw bench http://127.0.0.1:8080/ --rate 2000
    fastgw bench wss://gateway.example/echo -c 1000
    fastgw bench plain-64
    """
    from fastgw.bench import own, table, url

    if listed:
        click.echo("\n".join(own.described()))
        return
    if what is None:
        raise click.UsageError("nothing to do: give a URL or a SCENARIO (--list names them)")
    show = sys.stderr.isatty()
    try:
        if "://" in what:
            options = url.Options(url=what, verify=not insecure, body=body or b"", **given)
            result = url.run(options, show)
        else:
            result = own.run(what, seconds=given["seconds"], warmup_s=given["warmup_s"])
    except (ValueError, OSError, RuntimeError) as e:
        click.echo(f"fastgw bench: {e}", err=True)
        sys.exit(2)
    click.echo(json.dumps(result) if as_json else table.rendered(result))
    sys.exit(1 if result.get("errors") else 0)
