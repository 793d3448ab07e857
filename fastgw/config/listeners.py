"""`listen`: addresses checked, never looked up: what is listened on must not depend on DNS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from fastgw.config.document import Document
from fastgw.config.edge import address_limits
from fastgw.config.models import Listen
from fastgw.config.passes import passes
from fastgw.config.problems import Where
from fastgw.config.server_urls import MAX_UNIX_PATH, Lookups, system_resolver
from fastgw.config.tls import ListenTls
from fastgw.config.wrong import Wrong, noted
from fastgw.plan.model import Listener, ObjectSpec, Route, Step

#: Where a gateway listens that is not told where: where nobody else can reach it.
DEFAULT_ADDRESS = "127.0.0.1:8080"

_ADDRESS = re.compile(r"(\[[^\]]*\]|[^:\[\]]*):([0-9]{1,5})\Z")


def listener_address(text: str) -> str:
    """host:port with an IP address, [v6]:port, :port, or unix:/path."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/") or "\0" in path or len(path.encode()) > MAX_UNIX_PATH:
            raise Wrong(
                "FGW012",
                f"'{text}': a socket's path is absolute, and not longer than {MAX_UNIX_PATH} bytes",
            )
        return text
    found = _ADDRESS.match(text)
    if found is None:
        hint = f" (did you mean ':{text}'?)" if text.isdigit() else ""
        raise Wrong("FGW012", f"'{text}' is not an address and port{hint}")
    host, port = found.groups()
    if int(port) > 65535:
        raise Wrong("FGW012", f"'{text}': port {port} does not exist")
    if host == "localhost":
        raise Wrong("FGW012", f"'{text}': write the address, 127.0.0.1:{port} or [::1]:{port}")
    if host in ("", "*"):
        return f":{port}"
    _check_ip(text, host)
    return text


def _check_ip(text: str, host: str) -> None:
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        raise Wrong("FGW012", f"'{text}': '{host}' is not an IP address") from None
    if (address.version == 6) != host.startswith("["):
        raise Wrong("FGW012", f"'{text}': only IPv6 addresses stand in brackets, and always do")


class Listeners:
    """Lowers `listen`; what is wrong is noted in the document. `routes` are those that take
    every request of a listener; `trusted`: whether there are trusted proxies."""

    def __init__(
        self, document: Document, lookups: Lookups | None = None, *, trusted: bool = True
    ) -> None:
        self.document, self.lookups, self.trusted = document, lookups, trusted
        self.routes: list[Route] = []
        self._taken: dict[str, str] = {}

    def lowered(self, written: Mapping[str, Listen]) -> list[Listener]:
        """The listeners whose address is one."""
        found = (self.one(name, listen) for name, listen in written.items())
        return [listener for listener in found if listener is not None]

    def one(self, name: str, listen: Listen) -> Listener | None:
        """A listener."""
        where: Where = ("listen", name, "addr")
        address = noted(self.document, where, listener_address, listen.addr)
        if address is None:
            return None
        other = self._taken.get(address)
        if other is not None and not address.endswith(":0"):
            self.document.problem(
                "FGW014", where, f"'{address}' is the address of '{other}' already"
            )
        self._taken[address] = name
        options = self.tls(name, listen.tls) if listen.tls else {}
        options |= self.edge(name, listen)
        return Listener(name, address, options, self.redirect(name, listen))

    def edge(self, name: str, listen: Listen) -> dict[str, Any]:
        """The options of a listener that say who clients are, and where their connections go."""
        found: dict[str, Any] = {}
        if listen.proxy_protocol is not None:
            found |= {"proxy_protocol": {}, "arrival_ms": listen.proxy_protocol.timeout}
            if not self.trusted and not listen.addr.startswith("unix:"):
                self.document.problem(
                    "FGW005",
                    ("listen", name, "proxy_protocol"),
                    "nobody may send the header: 'trusted_proxies' is empty",
                )
        if listen.client_address is not None:
            found["client_field"] = listen.client_address
        if listen.per_address is not None:
            found["per_address"] = address_limits(listen.per_address)
        if listen.passthrough is not None:
            where: Where = ("listen", name, "passthrough")
            found["passthrough"] = passes(
                self.document, where, listen.passthrough, self.lookups or Lookups(system_resolver)
            )
        return found

    def tls(self, name: str, tls: ListenTls) -> dict[str, Any]:
        """The options of a listener with TLS."""
        # Certificates are looked at by OpenSSL: only configurations with TLS load it.
        from fastgw.tls.listener import listener_options

        def say(where: Where, code: str, message: str) -> None:
            self.document.problem(code, ("listen", name, "tls", *where), message)

        return {"tls": listener_options(tls, Path(self.document.file).parent, say)}

    def redirect(self, name: str, listen: Listen) -> str:
        """The name of the route that redirects all of a listener; "" for none."""
        steps = self.challenges(name, listen)
        if listen.redirect is None:
            return ""
        scheme, colon, port = listen.redirect.partition(":")
        to = f"{scheme}://{{host}}{colon}{port}{{path}}?{{query}}"
        step = Step(ObjectSpec("redirect", f"listen.{name}", {"to": to, "status": 308}))
        self.routes.append(Route(f"listen.{name}", (), ObjectSpec("none", "none"), (*steps, step)))
        return f"listen.{name}"

    def challenges(self, name: str, listen: Listen) -> tuple[Step, ...]:
        """What answers challenges of certificate authorities before the redirect."""
        if listen.acme_challenge is None:
            return ()
        where: Where = ("listen", name, "acme_challenge")
        folder = Path(self.document.file).parent.resolve() / listen.acme_challenge
        if listen.redirect is None:
            self.document.problem("FGW005", where, "needs 'redirect'; elsewhere a route answers")
        elif not folder.is_dir():
            self.document.problem("FGW005", where, f"{folder}: is no folder")
        return (Step(ObjectSpec("acme_challenge", f"listen.{name}", {"folder": str(folder)})),)
