"""What one load is, as a value that travels to the process that makes it."""

from __future__ import annotations

import base64
import dataclasses
import json
from dataclasses import dataclass, field

from fastgw.ext.load.load import Load
from fastgw.ext.load.script import Script
from fastgw.ext.load.tls_client import TlsClient


@dataclass(frozen=True, slots=True)
class Request:
    """One request (or WebSocket frame) and the answer that is right."""

    data: bytes
    body: bytes | None = None
    status: int = 0
    no_body: bool = False


@dataclass(frozen=True, slots=True)
class Tls:
    """Options of `TlsClient`."""

    name: str
    verify: bool = True
    ca: str = ""
    resume: bool = False
    version: str = ""


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """Options of `Load`; `order` has the numbers of `requests`, `due_ns` the times of a replay."""

    ip: str
    port: int
    requests: list[Request]
    order: list[int] = field(default_factory=lambda: [0])
    due_ns: list[int] | None = None
    connections: int = 64
    rate: float = 0.0
    depth: int = 1
    new_connection: bool = False
    tls: Tls | None = None
    upgrade: bytes = b""
    events: bool = False
    timeout_s: float = 10.0

    def dumps(self) -> str:
        """As one line of JSON; bytes in base64."""
        return json.dumps(dataclasses.asdict(self), default=lambda b: base64.b64encode(b).decode())

    @classmethod
    def loads(cls, text: str) -> LoadSpec:
        """What `dumps` wrote."""
        value = json.loads(text)
        for r in value["requests"]:
            r["data"] = base64.b64decode(r["data"])
            r["body"] = None if r["body"] is None else base64.b64decode(r["body"])
        value["requests"] = [Request(**r) for r in value["requests"]]
        value["upgrade"] = base64.b64decode(value["upgrade"])
        value["tls"] = Tls(**value["tls"]) if value["tls"] else None
        return cls(**value)

    def script(self) -> Script:
        """The requests as the generator wants them."""
        made = Script()
        for r in self.requests:
            made.add(r.data, r.body, r.status, r.no_body)
        made.mix(self.order, self.due_ns)
        return made

    def load(self) -> Load:
        """The load itself; OSError and ValueError are those of `Load` and `TlsClient`."""
        return Load(
            (self.ip, self.port),
            self.script(),
            connections=self.connections,
            rate=self.rate,
            depth=self.depth,
            new_connection=self.new_connection,
            tls=TlsClient(**dataclasses.asdict(self.tls)) if self.tls else None,
            upgrade=self.upgrade,
            events=self.events,
            timeout_s=self.timeout_s,
        )
