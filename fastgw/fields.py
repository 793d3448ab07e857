"""Which header names and values may be written: one rule for configuration and plugins."""

from __future__ import annotations

import re

#: RFC 9110 section 5.6.2.
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}", re.ASCII)
#: What no field value holds (RFC 9110 section 5.5): controls but HTAB, and DEL.
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
#: Framing and hop-by-hop fields, which the codecs write (RFC 9110 section 7.6.1), and Host,
#: which the upstream's `host:` decides.
RESERVED = frozenset(
    (
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)


def check_token(name: object) -> str:
    """`name` if it is a header name; ValueError otherwise."""
    if not isinstance(name, str) or not TOKEN.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a header name: up to 256 ASCII letters, digits and !#$%&'*+-.^_`|~"
        )
    return name


def check_name(name: object) -> str:
    """`name` if it is a header name that may be edited; ValueError otherwise."""
    token = check_token(name)
    lowered = token.lower()
    if lowered == "host":
        raise ValueError("Host can't be edited: the upstream's `host:` decides it")
    if lowered in RESERVED:
        raise ValueError(
            f"{token} belongs to the connection, not to the message: it can't be edited"
        )
    return token


def check_value(value: str | bytes) -> bytes:
    """The bytes of a value: text is latin-1, ends are trimmed, controls refused."""
    if isinstance(value, str):
        try:
            raw = value.encode("latin-1")
        except UnicodeEncodeError:
            raise ValueError(
                "a header value is latin-1 text; encode other text to bytes first"
            ) from None
    elif isinstance(value, bytes):
        raw = value
    else:
        raise TypeError(f"a header value is str or bytes, not {type(value).__name__}")
    raw = raw.strip(b" \t")
    if CONTROL.search(raw):
        raise ValueError("a header value can't hold CR, LF, NUL or other control bytes")
    return raw
