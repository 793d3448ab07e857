"""The flows again, with every byte of the client and of the origin in a segment of its own."""

from __future__ import annotations

import inspect
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.scenario import test_client_messages, test_flow
from tests.scenario.client import Client
from tests.scenario.origin import Peer

TOO_LONG = 20_000
#: It counts system calls, which segments change.
COUNTS = {"test_pipelined_answers_leave_together"}
#: Tests without parameters.
FLOWS = [
    test
    for module in (test_flow, test_client_messages)
    for name, test in inspect.getmembers(module, inspect.isfunction)
    if name.startswith("test_") and name not in COUNTS and not inspect.signature(test).parameters
]


def byte_by_byte(s: socket.socket, data: bytes) -> None:
    """Send each byte on its own."""
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if len(data) > TOO_LONG:
        s.sendall(data)
        return
    for i in range(len(data)):
        s.sendall(data[i : i + 1])


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients and origins send one byte at a time."""

    def client_sends(c: Client, data: bytes) -> Client:
        byte_by_byte(c.socket, data)
        return c

    def origin_sends(peer: Peer, data: bytes) -> None:
        byte_by_byte(peer.socket, data)

    monkeypatch.setattr(Client, "send", client_sends)
    monkeypatch.setattr(Peer, "send", origin_sends)


@pytest.mark.parametrize("flow", FLOWS, ids=lambda f: f.__name__)
def test_byte_by_byte(flow: Callable[[], Any], slowly: None) -> None:
    flow()
