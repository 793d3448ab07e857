"""One look at DNS: the addresses of a name and how long they hold.

/etc/hosts comes first, then the name servers of /etc/resolv.conf with its search domains
(dnspython), or those that the configuration names.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver

from fastgw.hosts_file import HostsFile
from fastgw.name_server import name_server

RESOLV_CONF = Path("/etc/resolv.conf")
#: When a name of /etc/hosts is looked for again.
HOSTS_TTL_S = 5.0

Address = tuple[int, str]


class LookupFailed(Exception):
    """No addresses; the text says why."""


@dataclass(frozen=True, slots=True)
class Found:
    """Addresses of a name, in a settled order, and for how long they hold."""

    addresses: tuple[Address, ...]
    ttl_s: float


class Resolver:
    """Looks names up. `servers`: `ip` or `ip:port` instead of those of /etc/resolv.conf;
    `timeout_s`: for all tries of one lookup together."""

    def __init__(
        self,
        servers: Sequence[str] = (),
        timeout_s: float = 5.0,
        hosts: HostsFile | None = None,
        resolv_conf: Path = RESOLV_CONF,
    ) -> None:
        self.servers, self.timeout_s = list(servers), timeout_s
        self.hosts = hosts or HostsFile()
        self.resolv_conf = resolv_conf
        self._made: dns.asyncresolver.Resolver | None = None
        self._stamp: tuple[int, ...] | None = None

    async def find(self, host: str) -> Found:
        """The addresses of a name; LookupFailed."""
        listed = self.hosts.find(host)
        if listed:
            return Found(tuple(listed), HOSTS_TTL_S)
        resolver = self._resolver()
        asked = [self._ask(resolver, host, kind) for kind in ("A", "AAAA")]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        good = [a for a in answers if not isinstance(a, BaseException) and a.rrset is not None]
        if not good:
            raise failure(answers)
        addresses = [
            (family, str(row.address))
            for answer, family in zip(answers, (socket.AF_INET, socket.AF_INET6), strict=True)
            if answer in good
            for row in answer.rrset  # type: ignore[union-attr]
        ]
        ttl_s = min(float(answer.chaining_result.minimum_ttl) for answer in good)
        return Found(tuple(sorted(usable(addresses))), ttl_s)

    async def _ask(self, resolver: dns.asyncresolver.Resolver, host: str, kind: str) -> Any:
        return await resolver.resolve(
            host, kind, raise_on_no_answer=False, lifetime=self.timeout_s, search=True
        )

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """The library's, made again when its file has changed."""
        try:
            said = os.stat(self.resolv_conf)
            stamp: tuple[int, ...] = (said.st_mtime_ns, said.st_size, said.st_ino)
        except OSError:
            stamp = ()
        if self._made is None or stamp != self._stamp:
            self._made, self._stamp = self._make(), stamp
        return self._made

    def _make(self) -> dns.asyncresolver.Resolver:
        made = dns.asyncresolver.Resolver(configure=False)
        try:
            made.read_resolv_conf(str(self.resolv_conf))
        except dns.resolver.NoResolverConfiguration as e:
            if not self.servers:
                raise LookupFailed(f"{self.resolv_conf}: names no server") from e
        if self.servers:
            made.nameservers = [do53(text) for text in self.servers]
        made.timeout = min(2.0, self.timeout_s)
        return made


def do53(text: str) -> dns.nameserver.Do53Nameserver:
    """A name server as it is written; ValueError for none."""
    found = name_server(text)
    if found is None:
        raise ValueError(f"{text!r} is no name server")
    return dns.nameserver.Do53Nameserver(*found)


def failure(answers: Sequence[Any]) -> LookupFailed:
    """Why a name has no addresses, from what both questions brought."""
    errors = [a for a in answers if isinstance(a, BaseException)]
    bad = [e for e in errors if not isinstance(e, dns.resolver.NXDOMAIN)]
    if not bad:
        text = "no such name" if errors else "the name has no address"
        return LookupFailed(text)
    first = bad[0]
    if isinstance(first, dns.exception.Timeout):
        return LookupFailed("no name server answers")
    if not isinstance(first, (dns.exception.DNSException, OSError, ValueError)):
        raise first
    return LookupFailed(str(first).splitlines()[0] if str(first) else type(first).__name__)


def usable(addresses: Sequence[Address]) -> list[Address]:
    """Without those of a family that this machine has no route for, if others are left
    (RFC 6724 section 5, rule 1)."""
    families = {family for family, _ in addresses}
    if len(families) < 2:
        return list(addresses)
    left = [(family, text) for family, text in addresses if has_route(family, text)]
    return left or list(addresses)


def has_route(family: int, text: str) -> bool:
    """Whether the kernel knows a way to an address; nothing is sent."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((text, 53))
    except OSError as e:
        return e.errno not in (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
    return True
