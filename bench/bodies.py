"""`python -m bench bodies`: large bodies and slow readers must not grow the gateway.

2 GiB go down and up, with Content-Length and chunked, to a reader that stops for seconds,
trickles, then reads at full speed with pauses. The worker's RSS is sampled all the while;
its growth over what it had before the first body must stay below 4 MiB. Bytes are counted
at the other end.
"""

from __future__ import annotations

import argparse
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bench.contenders import PEER_MAKERS
from fastgw.bench import gateway, process
from fastgw.bench.contender import Contender

MIB = 1024 * 1024
#: Bytes that the worker may grow by.
BAR = 4 * MIB
PIECE = bytes(range(256)) * 1024  # 256 KiB
CHUNK = b"%x\r\n" % len(PIECE) + PIECE + b"\r\n"


class SlowReader:
    """Reads a socket: stops at first, then trickles, then reads with a pause now and then."""

    def __init__(self, stall_s: float, trickle: int, pause_every: int) -> None:
        self.stall_s, self.trickle, self.pause_every = stall_s, trickle, pause_every
        self.total = 0
        self.paused_at = 0

    def read(self, sock: socket.socket, buffer: memoryview) -> int:
        """Receive once, at the pace of where it is."""
        if self.total == 0:
            time.sleep(self.stall_s)
        elif self.total < self.trickle:
            time.sleep(0.002)
            buffer = buffer[:16384]
        elif self.total - self.paused_at > self.pause_every:
            self.paused_at = self.total
            time.sleep(self.stall_s / 4)
        n = sock.recv_into(buffer)
        self.total += n
        return n


def send_body(sock: socket.socket, size: int, chunked: bool) -> None:
    """`size` bytes of body; whole pieces only."""
    block = CHUNK if chunked else PIECE
    for _ in range(size // len(PIECE)):
        sock.sendall(block)
    if chunked:
        sock.sendall(b"0\r\n\r\n")


def framing(size: int, chunked: bool) -> bytes:
    """The field that says how long a body is."""
    return b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % size


def read_head(sock: socket.socket) -> tuple[bytes, bytes]:
    """(head, bytes after it)."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = sock.recv(4096)
        if not piece:
            raise ConnectionError(f"closed within the head: {got!r}")
        got += piece
    head, _, rest = got.partition(b"\r\n\r\n")
    return head, rest


def read_body(sock: socket.socket, head: bytes, rest: bytes, size: int, reader: SlowReader) -> int:
    """Read a body slowly; how many bytes it had (chunk framing is taken off by counting)."""
    buffer = memoryview(bytearray(MIB))
    if b"chunked" not in head.lower():
        left = size - len(rest)
        while left > 0:
            n = reader.read(sock, buffer[:left] if left < MIB else buffer)
            if n == 0:
                break
            left -= n
        return size - left
    tail, framed = rest[-7:], len(rest)
    while not tail.endswith(b"\r\n0\r\n\r\n"):
        n = reader.read(sock, buffer)
        if n == 0:
            return -1
        framed += n
        tail = (tail + bytes(buffer[max(0, n - 7) : n]))[-7:]
    return framed


class BodyOrigin(threading.Thread):
    """An origin that sends (GET) or slowly receives (POST) one body per connection."""

    def __init__(self, size: int, make_reader: Callable[[], SlowReader]) -> None:
        super().__init__(daemon=True)
        self.size, self.make_reader = size, make_reader
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self) -> None:
        """Serve until the listener is closed."""
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock: socket.socket) -> None:
        """All requests of one connection."""
        with sock:
            while True:
                try:
                    head, rest = read_head(sock)
                except OSError:
                    return
                target = head.split(b" ", 2)[1]
                if head.startswith(b"POST"):
                    got = read_body(sock, head, rest, self.size, self.make_reader())
                    text = b"%d" % got
                    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text)
                    sock.sendall(head + text)
                elif target.startswith(b"/down"):
                    chunked = target.endswith(b"chunked")
                    sock.sendall(b"HTTP/1.1 200 OK\r\n" + framing(self.size, chunked) + b"\r\n")
                    send_body(sock, self.size, chunked)
                else:
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def transfer(port: int, size: int, way: str, reader: SlowReader) -> int:
    """One body through the gateway; bytes that arrived at the far end."""
    chunked = way.endswith("chunked")
    with socket.create_connection(("127.0.0.1", port), timeout=120) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        method = b"GET" if way.startswith("down") else b"POST"
        head = method + b" /%s HTTP/1.1\r\nHost: bodies\r\n" % way.encode()
        if method == b"POST":
            sock.sendall(head + framing(size, chunked) + b"\r\n")
            send_body(sock, size, chunked)
            answer, rest = read_head(sock)
            while not rest:
                rest = sock.recv(64)
            return int(rest)
        sock.sendall(head + b"\r\n")
        answer, rest = read_head(sock)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(answer[:80].decode("latin-1"))
        return read_body(sock, answer, rest, size, reader)


class Sampler(threading.Thread):
    """The highest RSS of each process while it runs."""

    def __init__(self, pids: list[int]) -> None:
        super().__init__(daemon=True)
        self.first = {pid: process.memory([pid])["rss"] for pid in pids}
        self.highest = dict(self.first)
        self.done = threading.Event()

    def run(self) -> None:
        """Sample every 20 ms."""
        while not self.done.wait(0.02):
            for pid in self.highest:
                self.highest[pid] = max(self.highest[pid], process.memory([pid])["rss"])

    def growth(self) -> int:
        """Most bytes that any of them grew by."""
        return max(self.highest[pid] - self.first[pid] for pid in self.first)


def one(
    contender: Contender,
    origin: BodyOrigin,
    size: int,
    way: str,
    make_reader: Callable[[], SlowReader],
) -> dict[str, float]:
    """One way; see the module's text."""
    for _ in range(20):
        contender.await_answer(time.monotonic() + 5)
    sampler = Sampler(contender.pids())
    sampler.start()
    began = time.monotonic()
    arrived = transfer(contender.port, size, way, make_reader())
    took = time.monotonic() - began
    sampler.done.set()
    sampler.join()
    return {"bytes": size, "arrived": arrived, "seconds": took, "growth": sampler.growth()}


def main(argv: list[str]) -> int:
    """Measure all four ways; 1 when fastgw grew past the bar or bytes were lost."""
    parse = argparse.ArgumentParser(prog="python -m bench bodies")
    parse.add_argument("--mib", type=int, default=2048, help="size of each body")
    parse.add_argument("--peers", default="", help="comma-separated: " + ", ".join(PEER_MAKERS))
    parse.add_argument("--no-fastgw", action="store_true")
    parse.add_argument("--quick", action="store_true", help="32 MiB and short pauses")
    args = parse.parse_args(argv)
    size = (32 if args.quick else args.mib) * MIB
    stall = 0.2 if args.quick else 2.0

    def make_reader() -> SlowReader:
        return SlowReader(stall, trickle=2 * MIB, pause_every=256 * MIB)

    # The default limit of a body is far below what is sent here.
    field = [] if args.no_fastgw else [gateway.fastgw("large-bodies")]
    field += [c for n in args.peers.split(",") if n and (c := PEER_MAKERS[n]())]
    failed = False
    for contender in field:
        origin = BodyOrigin(size, make_reader)
        origin.start()
        with tempfile.TemporaryDirectory(prefix="fastgw-bench-") as made:
            contender.start(origin.port, Path(made), process.cores()[0])
            try:
                for way in ("down", "up", "down-chunked", "up-chunked"):
                    result = one(contender, origin, size, way, make_reader)
                    framed = way.endswith("chunked")
                    whole = result["arrived"] >= size if framed else result["arrived"] == size
                    good = whole and result["growth"] < BAR
                    print(
                        f"{contender.name:8} {way:13} {result['seconds']:6.1f} s  grew "
                        f"{result['growth'] / MIB:6.2f} MiB  {'ok' if good else 'FAILED'}"
                    )
                    print(json.dumps({"contender": contender.name, "way": way, **result}))
                    failed |= not good and contender.name == "fastgw"
            finally:
                contender.stop()
                origin.listener.close()
    return 1 if failed else 0
