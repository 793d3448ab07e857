"""Upstreams that are the gateway itself: a request would go round until limits end it."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from functools import cache

from fastgw.config.document import Document
from fastgw.config.server_urls import ServerUrl
from fastgw.config.targets import Targets
from fastgw.config.wrong import Wrong
from fastgw.plan.model import Listener


def find_loops(document: Document, listeners: Iterable[Listener], targets: Targets) -> None:
    """Note the servers that a listener of this configuration would answer for."""
    own = {address: name for listener in listeners for address, name in addresses(listener)}
    for where, servers in targets.servers.items():
        for i, server in enumerate(servers):
            name = listener_of(server, targets, own) if server is not None else None
            if name is not None:
                document.problem(
                    "FGW110",
                    (*where, "servers", i, "url"),
                    f"is the gateway itself: listener '{name}' has this address",
                )


def addresses(listener: Listener) -> Iterable[tuple[tuple[str, int], str]]:
    """(IP address or "" for every one, port) or (path, 0) of a listener, with its name."""
    text = listener.address
    if text.startswith("unix:"):
        return [((text.removeprefix("unix:"), 0), listener.name)]
    host, _, port = text.rpartition(":")
    return [((host.strip("[]"), int(port)), listener.name)] if int(port) else []


def listener_of(server: ServerUrl, targets: Targets, own: dict[tuple[str, int], str]) -> str | None:
    """The listener that a server's address leads to."""
    if server.unix:
        return own.get((server.unix, 0))
    everywhere = own.get(("", server.port))
    if everywhere is None and not any(port == server.port for _, port in own):
        return None
    try:
        found = targets.lookups.addresses(server)
    except Wrong:
        return None  # it has no address, and that was said
    for family, address, port in found:
        name = own.get((address, port))
        if name is not None:
            return name
        if everywhere is not None and is_here(family, address):
            return everywhere
    return None


@cache
def is_here(family: int, address: str) -> bool:
    """Whether an address is one of this machine's: only those can be bound."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
