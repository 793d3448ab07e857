"""`listen`: addresses checked, never looked up: what is listened on must not depend on DNS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from fastgw.config.document import Document
from fastgw.config.matches import Wrong
from fastgw.config.models import Listen
from fastgw.config.problems import Where
from fastgw.config.tls import ListenTls
from fastgw.config.upstreams import MAX_UNIX_PATH
from fastgw.plan.model import Listener

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


def listeners(document: Document, written: Mapping[str, Listen]) -> tuple[Listener, ...]:
    """The listeners; what is wrong is noted in the document."""
    found: dict[str, str] = {}
    options: dict[str, dict[str, Any]] = {}
    for name, listen in written.items():
        where = ("listen", name, "addr")
        try:
            address = listener_address(listen.addr)
        except Wrong as e:
            document.problem(e.code, where, e.message)
            continue
        other = next((n for n, a in found.items() if a == address and a[-2:] != ":0"), None)
        if other is not None:
            document.problem("FGW014", where, f"'{address}' is the address of '{other}' already")
        found[name] = address
        options[name] = _tls(document, name, listen.tls) if listen.tls else {}
    return tuple(Listener(name, address, options[name]) for name, address in found.items())


def _tls(document: Document, name: str, tls: ListenTls) -> dict[str, Any]:
    """The options of a listener with TLS."""
    # Certificates are looked at by OpenSSL: only configurations with TLS load it.
    from fastgw.tls.listener import listener_options

    def say(where: Where, code: str, message: str) -> None:
        document.problem(code, ("listen", name, "tls", *where), message)

    return {"tls": listener_options(tls, Path(document.file).parent, say)}
