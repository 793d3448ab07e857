"""A request as somebody describes it: method, URL, headers; and as a gateway gets it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes, urlsplit

from fastgw.fields import TOKEN, check_value


class BadRequest(Exception):
    """What is no request."""


_SPACE = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `target`: path and query as they are sent. `server_name`: what the
    client's TLS asks for; empty: nothing, or no TLS."""

    method: str
    target: str
    host: str
    headers: tuple[tuple[str, str], ...] = ()
    client: str = "127.0.0.1"
    listener: int = 0
    scheme: str = field(default="http")
    server_name: str = ""

    def head(self) -> bytes:
        """As HTTP/1.1 has it; what a gateway would refuse stays as it is."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode("utf-8")

    def values(self, kind: str, name: str) -> list[str]:
        """The values of a header, of a parameter of the query (decoded; what is no UTF-8 is
        escaped as by `surrogateescape`), or of a cookie."""
        if kind == "header":
            wanted = name.lower()
            found = [v for n, v in self.headers if n.lower() == wanted]
            return [self.host, *found] if wanted == "host" else found
        if kind == "cookie":
            pairs = [p for v in self.values("header", "cookie") for p in v.split(";")]
        else:
            pairs = self.target.partition("?")[2].split("&") if "?" in self.target else []
            split = (pair.partition("=") for pair in pairs)
            return [_decoded(value) for key, _, value in split if _decoded(key) == name]
        split = (pair.lstrip(" ").partition("=") for pair in pairs)
        return [value for key, _, value in split if key == name]


def request(
    method: str, url: str, headers: tuple[str, ...] = (), client: str = "127.0.0.1"
) -> Request:
    """The request of a method, a URL (with or without scheme and host) and `Name: value`
    headers; BadRequest says what is none. A second Host is sent like any header."""
    if not TOKEN.fullmatch(method):
        raise BadRequest(f"'{method}' is no method")
    given = tuple(_header(text) for text in headers)
    host = next((v for n, v in given if n.lower() == "host"), "")
    scheme, netloc, target = _split(url)
    if netloc and host and netloc != host:
        raise BadRequest(f"the URL says host '{netloc}', the header '{host}'")
    if _SPACE.search(netloc + target):
        raise BadRequest(f"'{url}' holds a space or control character (write %20)")
    hosts = [field for field in given if field[0].lower() == "host"]
    rest = tuple(field for field in given if field not in hosts[:1])
    return Request(method, target, netloc or host or "localhost", rest, client, 0, scheme)


def _decoded(text: str) -> str:
    """A part of a query as it is compared: escapes are bytes, `+` is a space."""
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "surrogateescape")


def _split(url: str) -> tuple[str, str, str]:
    """Scheme, host with port, and the target as it is sent."""
    if url.startswith("/") or url == "*":
        return "http", "", url
    if "://" not in url:
        url = f"http://{url}"
    found = urlsplit(url)
    if found.scheme not in ("http", "https") or not found.netloc:
        raise BadRequest(f"'{url}' is no http URL")
    if "@" in found.netloc:
        raise BadRequest("a URL with a user is not sent by clients; give a header")
    rest = url.partition("://")[2][len(found.netloc) :].partition("#")[0]
    if not rest.startswith("/"):
        rest = "/" + rest
    return found.scheme, found.netloc, rest


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not TOKEN.fullmatch(name):
        raise BadRequest(f"'{text}' is no header (Name: value)")
    try:
        check_value(value)
    except ValueError as e:
        raise BadRequest(f"'{name}': {e}") from None
    return name, value.strip()


def server_name_of(host: str) -> str:
    """What a client that asks for a host names in TLS: nothing for an address (RFC 6066)."""
    name = host.partition(":")[0].lower().rstrip(".")
    return "" if host.startswith("[") or name.replace(".", "").isdigit() else name
