"""The scenarios of `bench plain`: what is sent, over how many connections, how fast."""

from __future__ import annotations

from dataclasses import dataclass, field

#: What the origin answers: 128 bytes of JSON.
BODY = b'{"id": 4711, "name": "widget", "tags": ["a", "b"], "price": 12.5, "stock": 0, "note": "'
BODY += b"x" * (128 - len(BODY) - 2) + b'"}'

_CURL = (
    b"GET /api/items/4711 HTTP/1.1\r\nHost: api.example.com\r\n"
    b"User-Agent: bench/1\r\nAccept: */*\r\n"
)
_CHROME = b'"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"'
#: What a browser sends to an application that it is signed in to: about 1.2 KiB.
_BROWSER = (
    b"GET /app/orders?page=2&sort=-created&filter=open HTTP/1.1\r\n"
    b"Host: shop.example.com\r\n"
    b"Connection: keep-alive\r\n"
    b"sec-ch-ua: " + _CHROME + b"\r\n"
    b"sec-ch-ua-mobile: ?0\r\n"
    b'sec-ch-ua-platform: "Linux"\r\n'
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/142.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    b"image/apng,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: same-origin\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Sec-Fetch-User: ?1\r\n"
    b"Sec-Fetch-Dest: document\r\n"
    b"Referer: https://shop.example.com/app/orders?page=1&sort=-created&filter=open\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    b"Cookie: _ga=GA1.2.1234567890.1700000000; _gid=GA1.2.987654321.1700000001; "
    b"consent=necessary%2Canalytics; theme=dark; session=" + b"s" * 303 + b"; "
    b"csrf=" + b"c" * 40 + b"\r\n"
)


@dataclass(frozen=True)
class Scenario:
    """One load, and the ratios to peers that it is meant to stay under."""

    name: str
    title: str
    head: bytes = _CURL
    connections: int = 64
    rate: int = 0  # requests a second; 0 = as fast as answers come
    new_connection: bool = False
    bars: dict[str, float] = field(default_factory=dict)

    @property
    def request(self) -> bytes:
        """The bytes of one request."""
        return self.head + (b"Connection: close\r\n\r\n" if self.new_connection else b"\r\n")


SCENARIOS = {
    s.name: s
    for s in (
        Scenario(
            "plain-64",
            "64 keep-alive connections, closed loop",
            bars={"haproxy": 0.90, "nginx": 0.55, "envoy": 0.27},
        ),
        Scenario(
            "plain-1000",
            "1,000 keep-alive connections, closed loop",
            connections=1000,
            bars={"haproxy": 0.65},
        ),
        Scenario(
            "rate-2000",
            "2,000 requests a second over 64 connections, open loop",
            rate=2000,
            bars={"haproxy": 0.75},
        ),
        Scenario(
            "new-connection",
            "a new connection for each request, 64 at a time",
            new_connection=True,
            bars={"haproxy": 0.95},
        ),
        Scenario(
            "browser",
            "a browser's request of 1.2 KiB, 64 keep-alive connections",
            head=_BROWSER,
            bars={"haproxy": 0.90},
        ),
    )
}
