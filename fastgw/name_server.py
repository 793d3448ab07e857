"""The address of a name server as it is written."""

from __future__ import annotations

from fastgw.hosts_file import family_of

DNS_PORT = 53


def name_server(text: str) -> tuple[str, int] | None:
    """Address and port of `ip`, `ip:port` or `[ip]:port`; None for what is no such thing."""
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        if port[:1] not in ("", ":"):
            return None
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not family_of(host) or (port and not (port.isascii() and port.isdigit())):
        return None
    number = int(port or DNS_PORT)
    return (host, number) if 0 < number < 65536 else None
