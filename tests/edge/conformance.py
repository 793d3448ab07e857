"""What the ends of a WebSocket must do with each other's frames (RFC 6455), as data.

An end that *echoes* sends each message back whole, answers pings, and fails the connection for
what is wrong, with the status that is named. A case is the bytes that the other end sends
after the handshake and what the echoing end must have said before the connection ends.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
#: Statuses of RFC 6455 section 7.4 that may stand in a frame, and some that may not.
MAY_CLOSE = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
MUST_NOT_CLOSE = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)
#: Nothing more is said after it.
GOODBYE = (1000, b"")


@dataclass(frozen=True)
class Frame:
    """A frame as it is sent: right or wrong."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    reserved: int = 0

    def packed(self, masked: bool) -> bytes:
        """Its bytes; those of clients are masked."""
        first = (0x80 if self.fin else 0) | self.reserved << 4 | self.opcode
        n, mask = len(self.payload), 0x80 if masked else 0
        if n < 126:
            head = struct.pack("!BB", first, mask | n)
        elif n < 65536:
            head = struct.pack("!BBH", first, mask | 126, n)
        else:
            head = struct.pack("!BBQ", first, mask | 127, n)
        if not masked:
            return head + self.payload
        key = os.urandom(4)
        return head + key + mixed(self.payload, key)


def mixed(payload: bytes, key: bytes) -> bytes:
    """A payload masked, or unmasked (section 5.3)."""
    n = len(payload)
    whole = int.from_bytes((key * (n // 4 + 1))[:n], "big")
    return (int.from_bytes(payload, "big") ^ whole).to_bytes(n, "big")


@dataclass(frozen=True)
class Case:
    """Frames, and what becomes of them. `chop`: bytes that are sent at a time, 0 for each frame
    at once. `fails`: what is wrong comes after the messages that are echoed, and may overtake
    them; `status`: those that may be said then, or the one of the close handshake."""

    name: str
    frames: tuple[Frame, ...]
    messages: tuple[tuple[int, bytes], ...] = ()
    pongs: tuple[bytes, ...] = ()
    status: tuple[int, ...] = (1000,)
    reason: bytes = b""
    fails: bool = False
    chop: int = 0

    def before_and_after(self) -> tuple[tuple[Frame, ...], tuple[Frame, ...]]:
        """The frames up to the close frame, and from there on; all at once where it fails."""
        at = next((i for i, f in enumerate(self.frames) if f.opcode == CLOSE), 0)
        return (self.frames, ()) if self.fails else (self.frames[:at], self.frames[at:])


@dataclass
class Heard:
    """What an echoing end has said."""

    messages: list[tuple[int, bytes]] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    #: Of its close frame; 0 = there was none, 1005 = one without a status.
    status: int = 0
    reason: bytes = b""

    def answers(self, case: Case) -> bool:
        """Whether nothing more is to be heard before the close."""
        said = len(self.messages) >= len(case.messages) and len(self.pongs) >= len(case.pongs)
        return case.fails or said

    def check(self, case: Case) -> None:
        """Whether it is what it must be."""
        assert self.status in case.status
        if case.fails:
            assert tuple(self.messages) == case.messages[: len(self.messages)]
            return
        assert tuple(self.messages) == case.messages
        assert tuple(self.pongs) == case.pongs
        assert self.reason == case.reason


def heard(data: bytes, masked: bool) -> Heard:
    """The frames of an echoing end, put together; ValueError: they are none."""
    found, message, kind = Heard(), b"", 0
    for frame in frames_of(data, masked):
        if frame.opcode == PONG:
            found.pongs.append(frame.payload)
        elif frame.opcode == CLOSE:
            found.status = struct.unpack("!H", frame.payload[:2])[0] if frame.payload else 1005
            found.reason = frame.payload[2:]
        elif frame.opcode in (CONTINUATION, TEXT, BINARY):
            kind, message = frame.opcode or kind, message + frame.payload
            if frame.fin:
                found.messages.append((kind, message))
                message = b""
    return found


def frames_of(data: bytes, masked: bool) -> Iterator[Frame]:
    """Whole frames."""
    at = 0
    while at + 2 <= len(data):
        first, second = data[at], data[at + 1]
        n, at = second & 127, at + 2
        if n > 125:
            size = 2 if n == 126 else 8
            n, at = int.from_bytes(data[at : at + size], "big"), at + size
        if bool(second & 128) != masked:
            raise ValueError("a frame is masked that must not be, or the reverse")
        key = data[at : at + 4] if masked else b""
        at += len(key)
        payload = mixed(data[at : at + n], key) if masked else data[at : at + n]
        at += n
        if at > len(data):
            return
        yield Frame(first & 15, payload, bool(first & 128), first >> 4 & 7)


# -- the cases -----------------------------------------------------------------------------------


def message(kind: int, payload: bytes, pieces: int = 1) -> tuple[Frame, ...]:
    """A message in so many frames."""
    size = max(1, -(-len(payload) // pieces))
    parts = [payload[i : i + size] for i in range(0, len(payload), size)] or [b""]
    return tuple(
        Frame(CONTINUATION if i else kind, part, fin=i == len(parts) - 1)
        for i, part in enumerate(parts)
    )


def echoed(name: str, kind: int, payload: bytes, pieces: int = 1, chop: int = 0) -> Case:
    """A message that comes back."""
    return Case(name, message(kind, payload, pieces), ((kind, payload),), chop=chop)


def failing(name: str, *frames: Frame, status: tuple[int, ...] = (1002,), chop: int = 0) -> Case:
    """What ends the connection; text frames before are perhaps echoed."""
    before = tuple((f.opcode, f.payload) for f in frames[:-1] if f.fin and f.opcode in (1, 2))
    return Case(name, frames, before, status=status, fails=True, chop=chop)


def lengths() -> Iterator[Case]:
    """Where the form of the length changes."""
    for kind in (TEXT, BINARY):
        for n in (0, 1, 125, 126, 127, 128, 65535, 65536, 1 << 20):
            payload = b"*" * n if kind == TEXT else bytes(i & 255 for i in range(n))
            yield echoed(f"length-{kind}-{n}", kind, payload)
        yield echoed(f"length-{kind}-65536-chopped", kind, b"*" * 65536, chop=997)
        yield echoed(f"length-{kind}-300-bytewise", kind, b"*" * 300, chop=1)


def pings() -> Iterator[Case]:
    """Control frames between others (section 5.5)."""
    for payload in (b"", b"Hello", b"\0\xff\xfe\xfd\xfc\xfb\0\xff", b"\xfe" * 125):
        yield Case(f"ping-{len(payload)}", (Frame(PING, payload),), pongs=(payload,))
    yield Case("ping-bytewise", (Frame(PING, b"\xfe" * 125),), pongs=(b"\xfe" * 125,), chop=1)
    yield failing("ping-126", Frame(PING, b"\xfe" * 126))
    yield Case("pong-unasked", (Frame(PONG),))
    yield Case("pong-unasked-payload", (Frame(PONG, b"unasked"),))
    frames = (Frame(PONG, b"unasked"), Frame(PING, b"asked"))
    yield Case("pong-then-ping", frames, pongs=(b"asked",))
    ten = tuple(b"payload-%d" % i for i in range(10))
    yield Case("ping-ten", tuple(Frame(PING, p) for p in ten), pongs=ten)
    yield Case("ping-ten-bytewise", tuple(Frame(PING, p) for p in ten), pongs=ten, chop=1)


def reserved() -> Iterator[Case]:
    """Bits and opcodes that mean nothing without an extension (section 5.2)."""
    hello = Frame(TEXT, b"Hello")
    for bits in range(1, 8):
        yield failing(f"reserved-bits-{bits}", hello, Frame(TEXT, b"Hello", reserved=bits))
    yield failing("reserved-bits-ping", Frame(PING, b"Hello", reserved=5))
    yield failing("reserved-bits-close", Frame(CLOSE, b"", reserved=7))
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield failing(f"reserved-opcode-{opcode}", hello, Frame(opcode, b"x"))


def fragments() -> Iterator[Case]:
    """Messages in pieces (section 5.4)."""
    yield failing("fragment-ping", Frame(PING, b"a", fin=False), Frame(CONTINUATION, b"b"))
    yield failing("fragment-pong", Frame(PONG, b"a", fin=False), Frame(CONTINUATION, b"b"))
    for chop in (0, 1):
        yield echoed(f"fragment-two-{chop}", TEXT, b"fragment1fragment2", 2, chop)
        middle = message(TEXT, b"fragment1fragment2", 2)
        yield Case(
            f"fragment-ping-between-{chop}",
            (middle[0], Frame(PING, b"ping"), middle[1]),
            ((TEXT, b"fragment1fragment2"),),
            (b"ping",),
            chop=chop,
        )
    for fin in (True, False):
        yield failing(f"fragment-of-nothing-{fin}", Frame(CONTINUATION, b"x", fin=fin))
        again = (Frame(CONTINUATION, b"x", fin=fin),)
        yield failing(f"fragment-after-the-last-{fin}", *message(TEXT, b"ab", 2)[1:], *again)
    yield failing("fragment-begun-twice", Frame(TEXT, b"a", fin=False), Frame(TEXT, b"b"))
    yield echoed("fragment-empty", TEXT, b"", 1)
    pieces = (Frame(TEXT, b"", False), Frame(CONTINUATION, b"", False), Frame(CONTINUATION, b""))
    yield Case("fragment-three-empty", pieces, ((TEXT, b""),))
    pieces = (Frame(TEXT, b"", False), Frame(CONTINUATION, b"x", False), Frame(CONTINUATION, b""))
    yield Case("fragment-middle-alone", pieces, ((TEXT, b"x"),))
    for pieces_n in (4, 64, 1024):
        yield echoed(f"fragment-{pieces_n}", BINARY, bytes(range(256)) * 256, pieces_n)


def texts() -> Iterator[Case]:
    """Text is UTF-8, wherever it is cut (section 8.1)."""
    good = "Hello-µ@ßöäüàá-UTF-8!! κόσμε \U0001f600".encode()
    yield echoed("utf8", TEXT, good)
    yield echoed("utf8-cut-in-characters", TEXT, good, len(good))
    yield echoed("utf8-bytewise", TEXT, good, chop=1)
    for text in ("\ud7ff", "\ue000", "\ufffd", "\U0010ffff", "\0", "\u007f", "\u0080"):
        yield echoed(f"utf8-{ord(text):x}", TEXT, text.encode())
    for bad in ("80", "bf", "c0af", "e08080", "f0808080", "eda080", "edbfbf", "f4908080", "ff",
                "cebae1bdb9cf83cebcceb5eda080656469746564", "c3", "e282"):  # fmt: skip
        whole = bytes.fromhex(bad)
        yield failing(f"utf8-wrong-{bad[:8]}", Frame(TEXT, whole), status=(1007,))
    two = message(TEXT, b"ok" + bytes.fromhex("eda080"), 5)
    yield failing("utf8-wrong-in-pieces", *two, status=(1007,))


def closes() -> Iterator[Case]:
    """The closing handshake (sections 5.5.1 and 7.4)."""
    empty = Frame(CLOSE)
    yield Case("close-empty", (empty,), status=(1005, 1000))
    yield Case("close-after-a-message", (Frame(TEXT, b"a"), empty), ((TEXT, b"a"),),
               status=(1005, 1000))  # fmt: skip
    for status in MAY_CLOSE:
        yield Case(f"close-{status}", (close(status),), status=(status,))
        told = close(status, b"reason")
        yield Case(f"close-{status}-reason", (told,), status=(status,), reason=b"reason")
    for status in MUST_NOT_CLOSE:
        yield failing(f"close-wrong-{status}", close(status))
    long = b"*" * 123
    yield Case("close-longest-reason", (close(1000, long),), reason=long)
    yield failing("close-reason-too-long", close(1000, long + b"*"))
    yield failing("close-half-a-status", Frame(CLOSE, b"\3"))
    yield failing("close-reason-wrong", close(1000, b"\xff"), status=(1002, 1007))
    yield Case("close-then-more", (close(1000), Frame(TEXT, b"late"), Frame(PING, b"late")))
    yield Case("close-twice", (close(1000), close(1001)))


def close(status: int, reason: bytes = b"") -> Frame:
    """A close frame."""
    return Frame(CLOSE, struct.pack("!H", status) + reason)


def all_cases() -> list[Case]:
    """Every case; one that does not end by itself ends with a goodbye."""
    found = []
    for group in (lengths, pings, reserved, fragments, texts, closes):
        for case in group():
            ends = case.fails or any(f.opcode == CLOSE for f in case.frames)
            more = () if ends else (close(*GOODBYE),)
            found.append(replace(case, frames=case.frames + more))
    return found
