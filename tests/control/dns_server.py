"""A name server that answers what a test says: UDP, one socket, one thread."""

from __future__ import annotations

import socket
import threading
from types import TracebackType

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

#: Rows of a zone: (type, TTL, content).
Rows = list[tuple[str, int, str]]


class DnsServer:
    """`zone` is {name: rows}; a name that is missing there is NXDOMAIN. Names in `silent` get
    no answer, those in `broken` SERVFAIL."""

    def __init__(self) -> None:
        self.zone: dict[str, Rows] = {}
        self.silent: set[str] = set()
        self.broken: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        host, port = self._socket.getsockname()
        self.address = f"{host}:{port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(4096)
            if not data:
                return
            if (said := self._answer(data)) is not None:
                self._socket.sendto(said, peer)

    def _answer(self, data: bytes) -> bytes | None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True), question.rdtype
        self.asked.append((name, dns.rdatatype.to_text(kind)))
        said = dns.message.make_response(query)
        said.flags |= dns.flags.RA
        if name in self.silent:
            return None
        if name in self.broken:
            said.set_rcode(dns.rcode.SERVFAIL)
        elif name not in self.zone:
            said.set_rcode(dns.rcode.NXDOMAIN)
        else:
            self._add(said, name, kind)
        return said.to_wire()

    def _add(self, said: dns.message.Message, name: str, kind: dns.rdatatype.RdataType) -> None:
        """The rows of a name, through its aliases."""
        for type_, ttl, content in self.zone.get(name, []):
            if type_ == dns.rdatatype.to_text(kind) or type_ == "CNAME":
                text = content + "." if type_ == "CNAME" else content
                row = dns.rrset.from_text(name + ".", ttl, "IN", type_, text)
                found = said.find_rrset(said.answer, row.name, row.rdclass, row.rdtype, create=True)
                found.update(row)
                found.update_ttl(ttl)
            if type_ == "CNAME":
                self._add(said, content, kind)

    def count(self, name: str) -> int:
        """How often an address of a name was asked for."""
        return self.asked.count((name, "A"))

    def __enter__(self) -> DnsServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()
