"""What a worker is handed for TLS besides the plan: files and ticket keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastgw.ext.io.tls.tickets import TicketKeys
from fastgw.tls.bundle import Bundle


@dataclass(frozen=True)
class TlsMaterial:
    """Files by the digests that the plan names, and the node's ticket keys."""

    files: Bundle | Mapping[str, bytes]
    tickets: TicketKeys
