"""`passthrough` of a listener: its servers."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from fastgw.config.document import Document
from fastgw.config.edge import PROXY_VERSIONS, Passthrough
from fastgw.config.problems import Where
from fastgw.config.server_urls import Lookups, ServerUrl, server_url
from fastgw.config.wrong import Wrong, noted


def tcp_server(text: str) -> ServerUrl:
    """tcp://host:port or unix:/path."""
    if text.startswith("unix:"):
        return server_url(text)
    rest = text.removeprefix("tcp://")
    if rest == text:
        hint = "" if "://" in text else f" (did you mean 'tcp://{text}'?)"
        raise Wrong("FGW103", f"'{text}' must begin with tcp:// or unix:{hint}")
    found = server_url(f"http://{rest}")
    if not rest.endswith(f":{found.port}"):
        raise Wrong("FGW103", f"'{text}' has no port")
    return found


def passes(
    document: Document, where: Where, written: Mapping[str, Passthrough], lookups: Lookups
) -> dict[str, Any]:
    """The option map of a listener: each name's servers; what is wrong is noted."""
    return {name: _one(document, (*where, name), one, lookups) for name, one in written.items()}


def _one(document: Document, where: Where, one: Passthrough, lookups: Lookups) -> dict[str, Any]:
    written = [
        (i, server)
        for i, text in enumerate(one.servers)
        if (server := noted(document, (*where, "servers", i), tcp_server, text)) is not None
    ]
    lookups.all(server.host for _, server in written if server.named)
    for i, server in written:
        lookups.warn(document, (*where, "servers", i), server)
    return {
        "servers": [_server(server, lookups) for _, server in written],
        "send_proxy": PROXY_VERSIONS[one.proxy_protocol] if one.proxy_protocol else 0,
        "connect_ms": one.connect,
        "idle_ms": one.idle,
    }


def _server(server: ServerUrl, lookups: Lookups) -> dict[str, Any]:
    """As the plan has it."""
    addresses = lookups.addresses(server)
    if server.unix:
        addresses = [[int(socket.AF_UNIX), server.unix, 0]]
    named = {"named": True} if server.named else {}
    return {"host": server.host, "port": server.port, "addresses": addresses, **named}
