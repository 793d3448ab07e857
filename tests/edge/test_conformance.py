"""WebSocket by the book (RFC 6455), the same through the gateway as without.

Both directions: echoing servers are asked by a client that says right and wrong things, and
echoing clients are led by such a server. The ends are the `websockets` library's and, where
Node is there, those of its `ws`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from types import TracebackType

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.edge.conformance import Case, Heard, all_cases, heard
from tests.edge.kit import ACCEPT, KEY
from tests.edge.test_websocket import Echo, chat
from tests.node import node_with_ws
from tests.scenario.gateway import Gateway

Address = tuple[str, int]
CASES = all_cases()
DEADLINE_S = 20.0
ASK = (
    b"GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: " + KEY + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def read_head(s: socket.socket) -> tuple[bytes, bytes]:
    """A head, and what came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = s.recv(65536)
        assert more, data
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def converse(s: socket.socket, case: Case, rest: bytes, masked: bool) -> Heard:
    """Say what the case says, its close only once everything else was answered; what the other
    end has said when it is over."""
    answered = threading.Event()

    def speak() -> None:
        # An end that was told something wrong may close before it was told all of it.
        with contextlib.suppress(OSError):
            for frames in case.before_and_after():
                said = b"".join(f.packed(masked) for f in frames)
                step = case.chop or len(said) or 1
                for at in range(0, len(said), step):
                    s.sendall(said[at : at + step])
                answered.wait(DEADLINE_S)

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        while True:
            so_far = heard(rest, not masked)
            if so_far.answers(case):
                answered.set()
            # The server ends the connection, the client waits for that (section 7.1.1).
            if not masked and so_far.status:
                break
            more = s.recv(1 << 20)
            if not more:
                break
            rest += more
    except ConnectionResetError:
        pass
    finally:
        answered.set()
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_RDWR)
        speaker.join(DEADLINE_S)
    return heard(rest, not masked)


# -- servers that echo -----------------------------------------------------------------------------


def asked(address: Address, case: Case) -> Heard:
    """What a server says to a case."""
    with socket.create_connection(address, DEADLINE_S) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(ASK)
        head, rest = read_head(s)
        assert head.startswith(b"HTTP/1.1 101"), head
        return converse(s, case, rest, True)


@pytest.fixture(scope="module")
def python_server() -> Iterator[Address]:
    with Echo() as echo:
        yield echo.address


@pytest.fixture(scope="module")
def node_server() -> Iterator[Address]:
    with NodeEcho() as echo:
        yield echo.address


class NodeEcho:
    """`ws` of Node: a server that echoes."""

    SCRIPT = """
const { WebSocketServer } = require('ws');
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 1 << 26 });
server.on('connection', (c) => {
  c.on('error', () => {});
  c.on('message', (data, binary) => c.send(data, { binary }));
});
server.on('listening', () => console.log(JSON.stringify(server.address())));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
"""

    def __init__(self) -> None:
        self.process = node_with_ws(self.SCRIPT)
        assert self.process.stdout is not None
        self.address: Address = ("127.0.0.1", json.loads(self.process.stdout.readline())["port"])

    def __enter__(self) -> NodeEcho:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.process.communicate(timeout=DEADLINE_S)


@pytest.mark.parametrize("kind", ["python_server", "node_server"])
def test_servers(kind: str, request: pytest.FixtureRequest) -> None:
    """Every case: straight to the server, and through the gateway."""
    address: Address = request.getfixturevalue(kind)
    with Gateway(chat(address)) as gw:
        for case in CASES:
            with note(case):
                asked(address, case).check(case)
            with note(case, "through the gateway"):
                asked(gw.address, case).check(case)


@contextlib.contextmanager
def note(case: Case, where: str = "straight") -> Iterator[None]:
    """Errors say which case it was."""
    try:
        yield
    except Exception as e:
        raise AssertionError(f"{case.name}, {where}: {type(e).__name__}: {e}") from e


# -- clients that echo -----------------------------------------------------------------------------


class Leader:
    """A server that leads each client through the case that its path names."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address: Address = self.listener.getsockname()
        self.heard: dict[str, Heard | Exception] = {}
        self.told = threading.Condition()
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def serve(self) -> None:
        """One after the other."""
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            with s:
                self.lead(s)

    def lead(self, s: socket.socket) -> None:
        """One client."""
        s.settimeout(DEADLINE_S)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head, rest = read_head(s)
        case = CASES[int(head.split()[1].rpartition(b"/")[2])]
        key = next(
            line.split(b":", 1)[1].strip()
            for line in head.splitlines()
            if line.lower().startswith(b"sec-websocket-key:")
        )
        s.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: " + accept_of(key) + b"\r\n\r\n"
        )
        found: Heard | Exception
        try:
            found = converse(s, case, rest, False)
        except Exception as e:
            found = e
        with self.told:
            self.heard[case.name] = found
            self.told.notify_all()

    def check(self, where: str) -> None:
        """Every client has said what it must; what the last one said may be on its way."""
        with self.told:
            self.told.wait_for(lambda: len(self.heard) == len(CASES), DEADLINE_S)
        for case in CASES:
            with note(case, where):
                found = self.heard[case.name]
                assert isinstance(found, Heard), found
                found.check(case)

    def __enter__(self) -> Leader:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(DEADLINE_S)


def accept_of(key: bytes) -> bytes:
    """Section 4.2.2."""
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


def python_client(address: Address) -> None:
    """`websockets` echoes, case by case."""
    for i in range(len(CASES)):
        url = f"ws://{address[0]}:{address[1]}/chat/{i}"
        with connect(url, compression=None, max_size=None, proxy=None, open_timeout=10) as c:
            with contextlib.suppress(ConnectionClosed):
                for message in c:
                    c.send(message)


def node_client(address: Address) -> None:
    """`ws` echoes, case by case."""
    script = f"""
const WebSocket = require('ws');
const next = (i) => {{
  if (i === {len(CASES)}) process.exit(0);
  const url = `ws://{address[0]}:{address[1]}/chat/${{i}}`;
  const c = new WebSocket(url, {{ perMessageDeflate: false, maxPayload: 1 << 26 }});
  c.on('message', (data, binary) => c.send(data, {{ binary }}));
  c.on('error', () => {{}});
  c.on('close', () => next(i + 1));
}};
next(0);
"""
    process = node_with_ws(script)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said


@pytest.mark.parametrize("client", [python_client, node_client])
def test_clients(client: object) -> None:
    assert callable(client)
    with Leader() as leader:
        client(leader.address)
        leader.check("straight")
    with Leader() as leader, Gateway(chat(leader.address)) as gw:
        client(gw.address)
        leader.check("through the gateway")


def test_the_accept_field_of_the_book() -> None:
    assert accept_of(KEY) == ACCEPT
    assert len({case.name for case in CASES}) == len(CASES) > 120
