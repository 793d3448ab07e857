"""Single bytes at every place: the scans of 16 bytes at once against the rule as a sentence."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from fastgw.ext.testing.http_doors import (
    Chunked,
    chunk_header,
    name_id,
    name_text,
    parse_request,
    parse_response,
)

NAMES: list[str] = tomllib.loads(
    (Path(__file__).parents[2] / "ext" / "http" / "names.toml").read_text()
)["names"]
TCHARS = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
PLACES = [*range(0, 36), 47, 48, 49, 63]


def accepted(data: bytes) -> bool:
    """Whether a request's head is taken."""
    return "consumed" in parse_request(data)


@pytest.mark.parametrize("at", PLACES)
def test_bytes_of_values(at: int) -> None:
    """No controls but HTAB, no DEL (RFC 9110 section 5.5)."""
    for code in range(256):
        value = b"v" * at + bytes([code]) + b"w" * (64 - at)
        good = code == 9 or (code >= 32 and code != 127)
        assert accepted(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + value + b"\r\n\r\n") is good, code


@pytest.mark.parametrize("at", PLACES)
def test_bytes_of_names(at: int) -> None:
    """tchar (RFC 9110 section 5.6.2); a colon ends the name."""
    for code in range(256):
        name = b"n" * at + bytes([code]) + b"m" * (64 - at)
        good = code in TCHARS or (code == ord(":") and at > 0)
        assert accepted(b"GET / HTTP/1.1\r\nHost: a\r\n" + name + b": v\r\n\r\n") is good, code


@pytest.mark.parametrize("at", PLACES)
def test_bytes_of_targets(at: int) -> None:
    """No controls, spaces, fragments, or bytes of 0x80 and above."""
    for code in range(256):
        for mark in (b"/", b"/?"):
            target = mark + b"t" * at + bytes([code]) + b"u" * (64 - at)
            good = 32 < code < 127 and code != ord("#")
            assert accepted(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n") is good, code


@pytest.mark.parametrize("at", PLACES)
def test_odd_paths_at_every_place(at: int) -> None:
    """The path rule is not passed by, wherever the byte that it looks at stands."""
    for odd, normal in ((b"%41", b"A"), (b"/./", b"/"), (b"/x/../", b"/")):
        line = b"GET /" + b"p" * at + odd + b"q" * 40 + b"?%41/./ HTTP/1.1\r\nHost: a\r\n\r\n"
        found = parse_request(line)
        assert found["path"] == b"/" + b"p" * at + normal + b"q" * 40
        assert found["query"] == b"%41/./"


def test_bytes_of_methods() -> None:
    """tchar at each place of a method."""
    for code in range(256):
        for method in (bytes([code]) + b"ET", b"G" + bytes([code]) + b"T"):
            # A space ends the method, and what follows is no target.
            assert accepted(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n") is (code in TCHARS), code


def test_bytes_of_reasons() -> None:
    """A reason phrase is a value."""
    for code in range(256):
        line = b"HTTP/1.1 200 a" + bytes([code]) + b"b\r\nContent-Length: 0\r\n\r\n"
        good = code == 9 or (code >= 32 and code != 127)
        assert ("consumed" in parse_response(line)) is good, code


@pytest.mark.parametrize("name", NAMES)
def test_known_names(name: str) -> None:
    """Each name has its id in any case, and no name that differs in a byte has it."""
    want = NAMES.index(name) + 1
    text = name.encode()
    assert name_text(want) == text
    assert {name_id(text), name_id(text.upper()), name_id(text.title())} == {want}
    for at in range(len(text)):
        for code in TCHARS:
            other = text[:at] + bytes([code]) + text[at + 1 :]
            if other.lower() != text:
                assert name_id(other) != want


def test_unknown_names() -> None:
    """Nothing at the edges."""
    assert name_id(b"") == name_id(b"x") == name_id(b"q" * 64) == 0
    assert name_text(-1) == name_text(0) == name_text(10_000) == b""


def test_chunk_sizes_there_and_back() -> None:
    """What the encoder writes the decoder reads, at each number of digits."""
    for shift in range(0, 63):
        for n in {1 << shift, (1 << shift) + 1, (1 << (shift + 1)) - 1}:
            assert chunk_header(n) == b"%x\r\n" % n
            decoder = Chunked()
            assert decoder.feed(chunk_header(n) + b"d") == ("bad" if n >> 63 else "more")
            assert decoder.pieces == [b"d"]
