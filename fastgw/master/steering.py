"""Steering: which worker's socket a new connection goes to.

All sockets of one address are a SO_REUSEPORT group. A classic BPF program, attached to the
group, answers with the index of a socket; the master attaches another one when a worker is
hung, dead or leaves, which needs no privilege and works at once. Handshakes that have begun
stay where they began.
"""

from __future__ import annotations

import array
import errno
import socket
import struct

SO_ATTACH_REUSEPORT_CBPF = 51
SO_DETACH_REUSEPORT_BPF = 68
SO_ATTACH_FILTER = 26
SO_DETACH_FILTER = 27

#: Instruction codes of classic BPF.
_LD_WORD, _LD_BYTE = 0x20, 0x30
_MOD, _AND = 0x94, 0x54
_JEQ, _RET = 0x15, 0x06
#: Loads from here on ask the kernel for facts instead of packet bytes.
_ANCILLARY = 0xFFFFF000
_RANDOM = 56
#: The flags' byte of a TCP header, and those that a first packet has.
_TCP_FLAGS, _SYN, _SYN_ACK = 13, 0x02, 0x12

Instruction = tuple[int, int, int, int]


def program(indexes: list[int]) -> list[Instruction]:
    """Spread new connections evenly over the sockets with these indexes."""
    code: list[Instruction] = [
        (_LD_WORD, 0, 0, _ANCILLARY + _RANDOM),
        (_MOD, 0, 0, len(indexes)),
    ]
    for i, index in enumerate(indexes[:-1]):
        code += [(_JEQ, 0, 1, i), (_RET, 0, 0, index)]
    return [*code, (_RET, 0, 0, indexes[len(indexes) - 1])]


def no_new_connections() -> list[Instruction]:
    """Drop the first packet of handshakes, let those that have begun come through."""
    return [
        (_LD_BYTE, 0, 0, _TCP_FLAGS),
        (_AND, 0, 0, _SYN_ACK),
        (_JEQ, 0, 1, _SYN),
        (_RET, 0, 0, 0),
        (_RET, 0, 0, 0xFFFFFFFF),
    ]


def attach(sock: socket.socket, option: int, code: list[Instruction]) -> None:
    """Attach a program to a socket or its group; OSError where the kernel refuses."""
    rows = array.array("B", b"".join(struct.pack("=HBBI", *row) for row in code))
    address, _ = rows.buffer_info()
    sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("HP", len(code), address))


class Steering:
    """The group of one address: who stands at which index, and who gets connections."""

    def __init__(self, slots: list[int]) -> None:
        #: Slot at each index of the kernel's group: in the order of listen(). Below 0: a socket
        #: that is about to be closed, whose slot may be another's already.
        self.order = list(slots)
        self._leaving = 0
        #: Whether the kernel takes our programs; if not, it spreads by itself.
        self.works = True
        self.steered: list[int] = []

    def added(self, slot: int) -> None:
        """A socket joined the group; it has the last index."""
        self.order.append(slot)

    def leaves(self, slot: int) -> int:
        """A socket gets no more, and will be closed; what `removed` is to be told then."""
        self._leaving -= 1
        self.order[self.order.index(slot)] = self._leaving
        return self._leaving

    def removed(self, slot: int) -> None:
        """A socket was closed; the last one of the group took its index."""
        at = self.order.index(slot)
        last = self.order.pop()
        if at < len(self.order):
            self.order[at] = last

    def steer(self, member: socket.socket, slots: set[int]) -> str:
        """Send new connections to these slots alone; why that can't be done, or "".

        With none of them left, everyone gets some: a queue may yet be served."""
        indexes = [i for i, slot in enumerate(self.order) if slot in slots]
        wanted = sorted(slots & set(self.order)) if indexes else []
        if not self.works or self.steered == wanted:
            return ""
        try:
            attach(member, SO_ATTACH_REUSEPORT_CBPF, program(indexes or [*range(len(self.order))]))
        except OSError as e:
            self.works = False
            return errno.errorcode.get(e.errno or 0, str(e))
        self.steered = wanted
        return ""

    def moved(self) -> None:
        """The group has other indexes now: the program has to be attached again."""
        self.steered = []


def refuse_new(sock: socket.socket) -> bool:
    """Have a listening TCP socket take no new connections, but finish handshakes; whether
    the kernel does so."""
    try:
        attach(sock, SO_ATTACH_FILTER, no_new_connections())
    except OSError:
        return False
    return True


def accept_new(sock: socket.socket) -> None:
    """Have it take new connections again."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
    except OSError:
        pass  # there was none
