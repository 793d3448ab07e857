"""What a worker is handed for TLS besides the plan: files and ticket keys."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastgw.ext.io.tls.tickets import TicketKeys
from fastgw.tls.bundle import Bundle, files_of, mapped, read_bundle, sealed
from fastgw.tls.tickets import shared_ring


@dataclass(frozen=True)
class TlsMaterial:
    """Files by the digests that the plan names, and the node's ticket keys."""

    files: Bundle | Mapping[str, bytes]
    tickets: TicketKeys


@dataclass(frozen=True)
class TlsMemory:
    """The same as the master holds it: memory that every worker of a node shares."""

    bundle_fd: int
    ring: mmap.mmap

    def material(self) -> TlsMaterial:
        """Called in a worker."""
        return TlsMaterial(Bundle(mapped(self.bundle_fd)), TicketKeys(self.ring))


def tls_memory(options: Iterable[Mapping[str, Any]]) -> TlsMemory | None:
    """The memory for a plan whose listeners and servers have these `tls` options; None: it needs
    none. BundleError: a file is not what it was when the plan was made."""
    known = list(options)
    if not known:
        return None
    content = read_bundle(files_of(known))
    keys = next((one["ticket_keys"] for one in known if one.get("ticket_keys")), "")
    ring = shared_ring(Bundle(content)[keys] if keys else b"")
    return TlsMemory(sealed(content), ring)
