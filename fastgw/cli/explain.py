"""`fastgw explain`: what a configuration does with a request, and why."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fastgw.cli.gateway import NoAnswer, ask, folder_of, gateway_options
from fastgw.cli.help import Command
from fastgw.cli.source import chosen_file, given, option, variable

if TYPE_CHECKING:
    from fastgw.config.explanation import Explanation
    from fastgw.config.requests import Request

REQUEST, WHAT = "The request", "What explains it"


@click.command(cls=Command)
@click.argument("method")
@click.argument("url")
@option(
    "-c",
    "--config",
    section=WHAT,
    metavar="FILE",
    type=click.Path(),
    help="The configuration that is asked.",
)
@option(
    "-H",
    "--header",
    section=REQUEST,
    multiple=True,
    metavar="'NAME: VALUE'",
    envvar=None,
    help="A header of the request; repeatable.",
)
@option(
    "--client",
    section=REQUEST,
    metavar="IP",
    default="127.0.0.1",
    show_default=True,
    envvar=None,
    help="Its client, as the listener's rules find it (docs/client-address.md): an address, or "
    "unix.",
)
@option(
    "--listener",
    section=REQUEST,
    metavar="NAME",
    envvar=None,
    help="The listener that it comes by.  [default: the first one that speaks the URL's scheme]",
)
@option(
    "--server-name",
    section=REQUEST,
    metavar="NAME",
    envvar=None,
    help="The name that its TLS asks for (SNI).  [default: the URL's host, where there is TLS]",
)
@option(
    "--running",
    section=WHAT,
    is_flag=True,
    envvar=None,
    help="Ask the running gateway, whatever its file says by now.",
)
@gateway_options
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def explain(
    method: str,
    url: str,
    header: tuple[str, ...],
    client: str,
    listener: str | None,
    server_name: str | None,
    running: bool,
    run_dir: str | None,
    name: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Say which route takes a request and why, through which policies it goes, what is sent
    where, and why the nearest other routes don't take it.

    \b
    fastgw explain GET http://api.example.com/orders/7 -c gateway.yaml
    fastgw explain POST /orders -H 'Host: api.example.com' --client 10.0.0.7 -c gateway.yaml
    fastgw explain GET https://api.example.com/orders/7 --running

    Exit code 1 if no route takes it, or there is no gateway to ask."""
    asked = read_request(method, url, header, client)
    file = chosen_file(options)
    if running and given("config"):
        raise click.UsageError("--running and -c FILE exclude each other")
    if running:
        said = ask_gateway(asked, url, listener, server_name, folder_of(run_dir, name))
        found = explanation_in(said)
        words = [f"generation {said['generation']} ({said['hash'][:12]})", *told(found)]
    elif file:
        found = explain_by(file, asked, listener, server_name)
        said, words = asdict(found), [*told(found)]
    else:
        raise click.UsageError(
            f"no configuration: give -c FILE, or set {variable('config')}, or ask the gateway "
            "with --running"
        )
    click.echo(json.dumps(said, indent=2) if as_json else "\n".join(words))
    sys.exit(0 if found.route else 1)


def explain_by(
    file: str, asked: Request, listener: str | None, server_name: str | None
) -> Explanation:
    """What a configuration's file says."""
    from fastgw.cli.reading import compiled
    from fastgw.config.explain import of_file
    from fastgw.config.requests import BadRequest

    explainer = of_file(compiled(file, offline=True))
    try:
        return explainer.explain(explainer.arrived(asked, listener, server_name))
    except BadRequest as e:
        raise click.UsageError(str(e)) from None


def ask_gateway(
    asked: Request, url: str, listener: str | None, server_name: str | None, folder: Path
) -> dict[str, Any]:
    """What the running gateway says: generation, hash, explanation."""
    from urllib.parse import urlencode

    said = [("method", asked.method), ("url", url), ("client", asked.client)]
    said += [("header", f"{n}: {v}") for n, v in (("Host", asked.host), *asked.headers)]
    said += [(k, v) for k, v in (("listener", listener), ("server_name", server_name)) if v]
    try:
        status, answer = ask("GET", f"/explain?{urlencode(said)}", folder)
    except NoAnswer as e:
        click.echo(str(e), err=True)
        sys.exit(1)
    if status == 400:
        raise click.UsageError(answer["detail"])
    if status != 200:
        click.echo(f"the gateway answered {status}: {answer.get('detail', '')}", err=True)
        sys.exit(1)
    return answer


def explanation_in(answer: dict[str, Any]) -> Explanation:
    """The explanation in a gateway's answer."""
    from fastgw.config.explanation import explanation_of

    return explanation_of(answer["explanation"])


def read_request(method: str, url: str, headers: tuple[str, ...], client: str) -> Request:
    """The request that the arguments describe."""
    from ipaddress import ip_address

    from fastgw.config.requests import BadRequest, request

    try:
        if client != "unix":
            ip_address(client)
    except ValueError:
        raise click.UsageError(f"--client: '{client}' is no address, and not 'unix'") from None
    try:
        return request(method, url, headers, client)
    except (BadRequest, ValueError) as e:
        raise click.UsageError(f"URL or header: {e}") from None


def told(found: Explanation) -> Iterator[str]:
    """An explanation in lines."""
    request = found.request
    yield f"{request.method} {request.scheme}://{request.host}{request.target}"
    if found.host or found.path:
        yield f"  compared as host '{found.host}', path '{found.path}'"
    if found.route is None:
        yield f"no route: answered {found.status} {found.reason}".rstrip()
        if found.allow:
            yield f"  Allow: {', '.join(found.allow)}"
    else:
        yield f"route {found.route}" + f" ({found.place})" * bool(found.place)
        yield f"  takes '{found.match}'" if found.match else "  takes all of its listener"
        for name, value in found.parameters:
            yield f"  {{path.{name}}} is '{value}'"
        yield from _on_its_way(found)
    if found.misses:
        yield "other routes"
    for miss in found.misses:
        yield f"  {miss.route} ({miss.match}): {miss.why}"


def _on_its_way(found: Explanation) -> Iterator[str]:
    """Policies and upstreams."""
    if found.policies:
        yield "policies, in order"
    for policy in found.policies:
        stage = policy.key.partition("(")[2].rstrip(")")
        yield f"  {stage}: {policy.text}, from {policy.origin}"
    for sent in found.sent:
        share = f" ({sent.share:g} % of requests)" if sent.share < 100 else ""
        yield f"sent to upstream {sent.upstream}{share}: {' or '.join(sent.servers)}"
        yield f"  {found.request.method} {sent.target}, Host: {sent.host}"
    if not found.sent:
        yield "answered by the gateway"
