"""`fastgw explain`: what a configuration does with a request, and why."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from fastgw.cli.help import Command
from fastgw.cli.source import chosen_file, option, variable

if TYPE_CHECKING:
    from fastgw.config.explain import Explainer, Explanation
    from fastgw.config.requests import Request

REQUEST = "The request"


@click.command(cls=Command)
@click.argument("method")
@click.argument("url")
@option(
    "-c",
    "--config",
    section="What explains it",
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
    help="Where it comes from: an address, or unix.",
)
@option(
    "--listener",
    section=REQUEST,
    metavar="NAME",
    envvar=None,
    help="The listener that it comes by.  [default: the first one]",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def explain(
    method: str,
    url: str,
    header: tuple[str, ...],
    client: str,
    listener: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Say which route takes a request and why, through which policies it goes, what is sent
    where, and why the nearest other routes don't take it.

    \b
    fastgw explain GET http://api.example.com/orders/7 -c gateway.yaml
    fastgw explain POST /orders -H 'Host: api.example.com' --client 10.0.0.7 -c gateway.yaml

    Exit code 1 if no route takes it."""
    from fastgw.cli.reading import compiled
    from fastgw.config.explain import Explainer

    file = chosen_file(options)
    if not file:
        raise click.UsageError(f"no configuration: give -c FILE, or set {variable('config')}")
    asked = read_request(method, url, header, client)
    explainer = Explainer(compiled(file, offline=True))
    found = explainer.explain(by_listener(explainer, asked, listener))
    click.echo(json.dumps(asdict(found), indent=2) if as_json else "\n".join(told(found)))
    sys.exit(0 if found.route else 1)


def read_request(method: str, url: str, headers: tuple[str, ...], client: str) -> Request:
    """The request that the arguments describe."""
    from ipaddress import ip_address

    from fastgw.config.requests import BadRequest, request

    try:
        if client != "unix":
            ip_address(client)
        return request(method, url, headers, client)
    except (BadRequest, ValueError) as e:
        raise click.UsageError(str(e)) from None


def by_listener(explainer: Explainer, asked: Request, name: str | None) -> Request:
    """The request, come by a listener."""
    if name is None:
        return asked
    if name not in explainer.listeners:
        raise click.UsageError(f"no listener '{name}'; there are {', '.join(explainer.listeners)}")
    return replace(asked, listener=explainer.listeners.index(name))


def told(found: Explanation) -> Iterator[str]:
    """An explanation in lines."""
    request = found.request
    yield f"{request.method} {request.scheme}://{request.host}{request.target}"
    if found.host or found.path:
        yield f"  compared as host '{found.host}', path '{found.path}'"
    if found.route is None:
        yield f"no route: answered {found.status} {found.reason}"
        if found.allow:
            yield f"  Allow: {', '.join(found.allow)}"
    else:
        yield f"route {found.route} ({found.place})"
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
