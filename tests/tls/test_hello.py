"""The first look at a ClientHello: the name, whatever the pieces; never one that isn't there."""

from __future__ import annotations

import ssl
import struct

import pytest

from fastgw.ext.testing.tls_doors import look


def hello(name: str | None, **options: object) -> bytes:
    """A real client's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    for key, value in options.items():
        setattr(context, key, value)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def records(message: bytes, size: int) -> bytes:
    """A handshake message in records of `size` bytes."""
    parts = [message[i : i + size] for i in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(p)) + p for p in parts)


def by_hand(extensions: bytes) -> bytes:
    """A hello with these extensions."""
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
    body += struct.pack(">H", len(extensions)) + extensions
    return records(b"\x01" + struct.pack(">I", len(body))[1:] + body, 16384)


def server_name(name: bytes, kind: int = 0) -> bytes:
    """A server_name extension."""
    one = bytes([kind]) + struct.pack(">H", len(name)) + name
    return extension(0, struct.pack(">H", len(one)) + one)


def extension(kind: int, data: bytes) -> bytes:
    """Any extension."""
    return struct.pack(">HH", kind, len(data)) + data


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_name(version: ssl.TLSVersion) -> None:
    assert look(hello("a.example", maximum_version=version)) == ("whole", b"a.example")
    assert look(hello(None, maximum_version=version)) == ("whole", b"")


def test_name_in_lower_case_without_a_dot() -> None:
    assert look(by_hand(server_name(b"WWW.Example."))) == ("whole", b"www.example")


def test_every_prefix_asks_for_more() -> None:
    whole = hello("a.example")
    for end in range(len(whole)):
        assert look(whole[:end]) == ("more", b""), end


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 100])
def test_several_records(size: int) -> None:
    whole = records(hello("a.example")[5:], size)
    assert look(whole) == ("whole", b"a.example")
    for end in range(len(whole)):
        assert look(whole[:end])[0] == "more", end


def test_bytes_behind_it_change_nothing() -> None:
    assert look(hello("a.example") + bytes(99)) == ("whole", b"a.example")


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x15\x03\x01",
        b"\x16\x02",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x40\x01",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
        by_hand(server_name(b"a", kind=1)),
        by_hand(server_name(b"")),
        by_hand(server_name(b"a" * 256)),
        by_hand(server_name(b"a\0b")),
        by_hand(server_name(b"a b")),
        by_hand(server_name("é.example".encode())),
        by_hand(extension(0, b"")),
        by_hand(extension(0, b"\x00\x05\x00\x00\x09aa")),
        by_hand(b"\x00\x17\x00\x09\x00"),
        records(b"\x01\x00\x00\x02\x03\x03", 99),
    ],
)
def test_what_is_none(data: bytes) -> None:
    assert look(data) == ("not", b"")


def test_two_names_are_none_of_ours_to_choose_from() -> None:
    one = b"\x00\x00\x01a" + b"\x00\x00\x01b"
    assert look(by_hand(extension(0, struct.pack(">H", len(one)) + one))) == ("not", b"")


def test_long_hello() -> None:
    padding = extension(21, bytes(16000))
    assert look(by_hand(padding + server_name(b"a.example"))) == ("whole", b"a.example")
    assert look(by_hand(extension(21, bytes(17000)) + server_name(b"a.example")))[0] == "not"
