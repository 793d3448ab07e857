"""The bytes that benchmarks send and expect: heads, bodies, WebSocket frames."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence

#: What the origin answers where nothing else is asked for: 128 bytes of JSON.
JSON_BODY = (
    b'{"id": 4711, "name": "widget", "tags": ["a", "b"], "price": 12.5, "stock": 0, "note": "'
)
JSON_BODY += b"x" * (128 - len(JSON_BODY) - 2) + b'"}'

_CHROME = '"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"'
#: Fields beside Host, by name: what curl sends, what a proxy before us adds, and what a
#: browser sends to an application that it is signed in to (1.2 KiB).
FIELDS: dict[str, list[tuple[str, str]]] = {
    "curl": [("User-Agent", "bench/1"), ("Accept", "*/*")],
    "proxied": [
        ("User-Agent", "bench/1"),
        ("Accept", "*/*"),
        ("X-Forwarded-For", "203.0.113.7, 198.51.100.9"),
        ("X-Forwarded-Proto", "https"),
    ],
    "browser": [
        ("Connection", "keep-alive"),
        ("sec-ch-ua", _CHROME),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", '"Linux"'),
        ("Upgrade-Insecure-Requests", "1"),
        (
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/142.0.0.0 Safari/537.36",
        ),
        (
            "Accept",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
            "image/apng,*/*;q=0.8",
        ),
        ("Sec-Fetch-Site", "same-origin"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-User", "?1"),
        ("Sec-Fetch-Dest", "document"),
        ("Referer", "https://shop.example.com/app/orders?page=1&sort=-created&filter=open"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
        (
            "Cookie",
            "_ga=GA1.2.1234567890.1700000000; _gid=GA1.2.987654321.1700000001; "
            f"consent=necessary%2Canalytics; theme=dark; session={'s' * 303}; csrf={'c' * 40}",
        ),
    ],
}
#: Any key will do: nobody depends on its being secret (RFC 6455 section 10.3).
WEBSOCKET_KEY = base64.b64encode(b"fastgw benchmark").decode()


def pattern(size: int) -> bytes:
    """A body of `size` bytes in which every place within 64 KiB can be told."""
    block = b"".join(struct.pack(">H", i) for i in range(0, 65536, 2))
    return (block * (size // len(block) + 1))[:size]


def request(
    target: str,
    host: str,
    *,
    method: str = "GET",
    fields: list[tuple[str, str]] | None = None,
    body: bytes = b"",
    close: bool = False,
) -> bytes:
    """The bytes of a request. ValueError when something would end a line of its head."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in fields or FIELDS["curl"]]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    text = "\r\n".join(lines)
    if any(c in line for line in lines for c in "\r\n\0") or " " in target:
        raise ValueError(f"a line end or blank within {text!r}")
    return text.encode("latin-1") + b"\r\n\r\n" + body


def answer(body: bytes, *, chunk: int = 0, fields: Sequence[tuple[str, str]] = ()) -> bytes:
    """The bytes of a 200; with `chunk` the body is sent in chunks of so many bytes."""
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in fields]
    head = "\r\n".join(lines).encode("latin-1")
    if not chunk:
        return head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    pieces = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces)
    return head + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


def event_head() -> bytes:
    """The head of an endless stream of server-sent events."""
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )


def handshake(target: str, host: str) -> bytes:
    """The request of a WebSocket handshake (RFC 6455 section 4.1)."""
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", WEBSOCKET_KEY),
    ]
    return request(target, host, fields=fields)


def frame(payload: bytes) -> bytes:
    """A masked binary frame of a client (RFC 6455 section 5.2); up to 64 KiB - 1."""
    mask = b"\x37\xfa\x21\x3d"
    if len(payload) > 65535:
        raise ValueError("a frame of a benchmark has 65,535 bytes at the most")
    n = len(payload)
    head = bytes([0x82, 0x80 | n]) if n < 126 else bytes([0x82, 0xFE]) + struct.pack(">H", n)
    return head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload))
