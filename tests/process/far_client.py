"""A client far away: TCP by hand over a TUN device in a private network namespace.

The kernel of this machine sees its packets as from another host, so it decides itself how
long it takes between the SYN-ACK and its ACK.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

#: The gateway's address, and that of the host which is not there.
NEAR, FAR = "10.77.0.1", "10.77.0.2"
DEADLINE_S = 15.0
_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def elsewhere(work: Callable[[int], None]) -> None:
    """Call `work(tun)` on a thread in a network namespace of its own, whose children live there,
    too. What it raises is raised here."""
    failed: list[BaseException] = []

    def main() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(_CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "unshare")
            tun = open_tun()
            try:
                work(tun)
            finally:
                os.close(tun)
        except BaseException as e:
            failed.append(e)

    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def open_tun() -> int:
    """A device over which NEAR is reached from FAR."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", b"far0", _IFF_TUN | _IFF_NO_PI))
    for words in (
        ("link", "set", "lo", "up"),
        ("addr", "add", f"{NEAR}/24", "dev", "far0"),
        ("link", "set", "far0", "up"),
    ):
        subprocess.run(["ip", *words], check=True, timeout=10)
    return tun


def checksum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class FarClient:
    """One connection, segment by segment."""

    def __init__(self, tun: int, port: int, own_port: int) -> None:
        self.tun, self.port, self.own_port = tun, port, own_port
        self.sequence, self.expected = 1000 * own_port, 0
        self.got = b""

    def send(self, flags: int, data: bytes = b"") -> None:
        """One segment."""
        addresses = socket.inet_aton(FAR) + socket.inet_aton(NEAR)
        offset = (5 << 12) | flags
        words = (self.own_port, self.port, self.sequence, self.expected, offset, 65535)
        tcp = struct.pack("!HHIIHHHH", *words, 0, 0) + data
        pseudo = addresses + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, socket.IPPROTO_TCP, 0)
        ip += addresses
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        os.write(self.tun, ip + tcp)
        self.sequence += len(data) + (1 if flags & (SYN | FIN) else 0)

    def receive(self, wanted: int) -> bytes:
        """The next segment with these flags; its data. RST ends it."""
        end = time.monotonic() + DEADLINE_S
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.tun], [], [], left)[0]:
                raise TimeoutError(f"no segment with {wanted}; got {self.got!r}")
            found = self.segment(os.read(self.tun, 65536))
            if found is None:
                continue
            flags, data = found
            if flags & RST:
                raise ConnectionResetError("RST")
            if flags & wanted == wanted:
                return data

    def segment(self, packet: bytes) -> tuple[int, bytes] | None:
        """(flags, data) of a packet of ours that is new."""
        if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
            return None
        total: int = struct.unpack("!H", packet[2:4])[0]
        tcp: bytes = packet[(packet[0] & 15) * 4 : total]
        fields: tuple[Any, ...] = struct.unpack("!HHIIH", tcp[:14])
        if fields[:2] != (self.port, self.own_port):
            return None
        flags, data = fields[4] & 0x3F, tcp[(fields[4] >> 12) * 4 :]
        if flags & RST:
            return flags, b""
        if flags & SYN:
            self.expected = fields[2] + 1
        elif fields[2] != self.expected:
            return None  # sent again
        self.expected = (self.expected + len(data) + bool(flags & FIN)) & 0xFFFFFFFF
        self.got += data
        return flags, data

    def begin(self) -> None:
        """SYN, and wait for the SYN-ACK: from here on the kernel waits for us."""
        self.send(SYN)
        self.receive(SYN | ACK)

    def end_handshake(self) -> None:
        """The ACK."""
        self.send(ACK)

    def ask(self, request: bytes) -> bytes:
        """Send a request; what comes up to the end of a short answer."""
        self.send(ACK | PSH, request)
        while b"\r\n\r\n" not in self.got:
            self.receive(ACK)
        self.send(ACK)
        return self.got
