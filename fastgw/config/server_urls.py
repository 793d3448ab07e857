"""URLs of servers checked and taken apart, and what is known of their host names.

A start never waits for DNS: a plan holds the addresses that /etc/hosts has, and the control
process tells the workers all others, and every change (fastgw/control/names.py)."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

from fastgw.config.document import Document
from fastgw.config.problems import Where
from fastgw.config.wrong import Wrong
from fastgw.hosts_file import HostsFile

#: [family, IP address, port] as a target gets it.
Address = list[Any]
#: Looks up a host: IP addresses as text, by family; OSError when there is none.
Resolver = Callable[[str], list[tuple[int, str]]]

MAX_UNIX_PATH = 107
_LOOKUPS = 16
_HOSTS = HostsFile()
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_])?\Z")


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A server's URL, taken apart. `literal`: the host is an IP address of this family."""

    url: str
    host: str
    port: int
    unix: str = ""
    literal: int = 0
    tls: bool = False

    @property
    def named(self) -> bool:
        """Whether its host is a name, whose addresses may change."""
        return not self.unix and not self.literal


def hosts_resolver(host: str) -> list[tuple[int, str]]:
    """The addresses that /etc/hosts has; never waits."""
    return _HOSTS.find(host)


def system_resolver(host: str) -> list[tuple[int, str]]:
    """Every address of a host, as the system's resolver gives them."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    unique = {(int(family), str(address[0])): None for family, _, _, _, address in found}
    return list(unique)


# -- URLs ----------------------------------------------------------------------------------


def server_url(text: str) -> ServerUrl:
    """http[s]://host[:port] or unix:/path; Wrong says what is not possible in one."""
    if text.startswith("unix:"):
        return _unix_url(text)
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise Wrong("FGW103", f"'{text}' is no server (did you mean 'http://{text}'?)")
    if scheme.lower() in ("h2c", "grpc", "grpcs"):
        raise Wrong("FGW007", f"'{text}': {scheme} to upstreams is not in this version")
    if scheme.lower() not in ("http", "https"):
        raise Wrong("FGW103", f"'{text}' must begin with http://, https:// or unix:")
    found = re.match(r"([^/?#]*)(/*)(.*)\Z", rest, re.DOTALL)
    assert found is not None
    authority, _, after = found.groups()
    if after[:1] in ("?", "#"):
        raise Wrong("FGW103", f"'{text}' holds a query or fragment")
    if after:
        raise Wrong("FGW103", f"'{text}' holds a path; say it with 'rewrite: {{prefix: /{after}}}'")
    if "@" in authority:
        raise Wrong("FGW103", "a server's URL can't hold a user or password")
    return _http_url(text, authority.lower(), scheme.lower())


def _unix_url(text: str) -> ServerUrl:
    path = text.removeprefix("unix:").removeprefix("//")
    if not path.startswith("/") or "\0" in path:
        raise Wrong("FGW103", f"'{text}': a socket's path is absolute (unix:/run/app.sock)")
    if len(path.encode()) > MAX_UNIX_PATH:
        raise Wrong("FGW103", f"'{text}': a socket's path has {MAX_UNIX_PATH} bytes at the most")
    return ServerUrl(f"unix:{path}", "localhost", 0, path)


def _http_url(text: str, authority: str, scheme: str) -> ServerUrl:
    host, literal, port = _split(text, authority)
    tls = scheme == "https"
    number = int(port) if port else (443 if tls else 80)
    if not 0 < number < 65536:
        raise Wrong("FGW103", f"'{text}': port {number} does not exist")
    shown = f"[{host}]" if literal == socket.AF_INET6 else host
    return ServerUrl(f"{scheme}://{shown}:{number}", host, number, "", literal, tls)


def _split(text: str, authority: str) -> tuple[str, int, str]:
    """Host, family of a literal address, port."""
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        try:
            host = str(IPv6Address(host if bracket else ""))
        except AddressValueError:
            raise Wrong("FGW103", f"'{text}': not an IPv6 address in brackets") from None
        return host, int(socket.AF_INET6), _port(text, rest)
    host, colon, port = authority.partition(":")
    port = _port(text, colon + port)
    if re.fullmatch(r"[0-9.]+", host):
        try:
            return str(IPv4Address(host)), int(socket.AF_INET), port
        except AddressValueError:
            raise Wrong("FGW103", f"'{text}': '{host}' is not an IPv4 address") from None
    if not _HOST.match(host):
        raise Wrong("FGW103", f"'{text}' has no valid host")
    return host, 0, port


def _port(text: str, rest: str) -> str:
    if rest and not re.fullmatch(r":[0-9]{1,5}", rest):
        raise Wrong("FGW103", f"'{text}' has no valid port")
    return rest[1:]


# -- addresses -----------------------------------------------------------------------------


class Lookups:
    """Host names looked up at the same time, each once. One that has no address now may have
    some later: that is a warning, where lookups were wanted."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.found: dict[str, list[tuple[int, str]] | str] = {}

    def all(self, hosts: Iterable[str]) -> None:
        """Look up what is not known yet."""
        new = sorted(set(hosts) - self.found.keys())
        if new:
            with ThreadPoolExecutor(min(_LOOKUPS, len(new))) as pool:
                self.found.update(zip(new, pool.map(self._one, new), strict=True))

    def _one(self, host: str) -> list[tuple[int, str]] | str:
        """Addresses, or what went wrong."""
        try:
            return self.resolver(host)
        except OSError as e:
            return e.strerror or str(e)
        except UnicodeError:
            return "not a host name"

    def addresses(self, server: ServerUrl) -> list[Address]:
        """The addresses of a server that are known; empty for a unix socket."""
        if server.literal:
            return [[server.literal, server.host, server.port]]
        found = self.found[server.host] if server.named else []
        if isinstance(found, str):
            return []
        return [[family, address, server.port] for family, address in found]

    def warn(self, document: Document, where: Where, server: ServerUrl) -> None:
        """Say so if the name of a server at `where` could not be resolved."""
        said = self.found.get(server.host) if server.named else None
        if isinstance(said, str):
            document.warn("FGW104", where, f"host '{server.host}' can't be resolved now: {said}")
