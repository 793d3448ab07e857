"""Messages between the processes: put together, with their descriptors, or found broken."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

import pytest

from fastgw.master.messages import MOST_BYTES, Inbox, pack

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def test_nothing_yet_is_no_end(pair: Pair) -> None:
    assert Inbox().receive(pair[0]) == []


def test_messages_cut_anywhere(pair: Pair) -> None:
    ours, theirs = pair
    inbox = Inbox()
    data = pack("one", n=1) + pack("two", text="x" * 100)
    found = []
    for i in range(len(data)):
        theirs.send(data[i : i + 1])
        found += inbox.receive(ours) or []
    assert [(m["type"], m["fds"]) for m in found] == [("one", {}), ("two", {})]


def test_descriptors_come_with_their_names(pair: Pair) -> None:
    ours, theirs = pair
    read, write = os.pipe()
    socket.send_fds(theirs, [pack("take", fds=["pipe"])], [write])
    (message,) = Inbox().receive(ours) or []
    os.write(message["fds"]["pipe"], b"x")
    assert os.read(read, 1) == b"x"
    assert not os.get_inheritable(message["fds"]["pipe"])
    for fd in (read, write, message["fds"]["pipe"]):
        os.close(fd)


def test_the_end(pair: Pair) -> None:
    ours, theirs = pair
    theirs.close()
    inbox = Inbox()
    assert inbox.receive(ours) is None
    assert not inbox.broken


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (struct.pack("<I", MOST_BYTES + 1), "a message of"),
        (struct.pack("<I", 1) + b"\x01", "not a map with a type"),
        (struct.pack("<I", 2) + b"\xff\xc1", ""),
        (pack("take", fds=["a", "b"]), "0 came"),
    ],
)
def test_what_is_no_message_is_the_end(pair: Pair, data: bytes, says: str) -> None:
    ours, theirs = pair
    inbox = Inbox()
    theirs.send(data)
    assert inbox.receive(ours) is None
    assert says in inbox.broken and inbox.broken


def test_descriptors_of_half_a_message_are_closed(pair: Pair) -> None:
    ours, theirs = pair
    inbox = Inbox()
    read, write = os.pipe()
    socket.send_fds(theirs, [pack("take", fds=["pipe"])[:-1]], [write])
    assert inbox.receive(ours) == []
    inbox.close()
    os.close(write)
    assert os.read(read, 1) == b""
    os.close(read)
