"""What a worker is handed for TLS besides the plan: files and ticket keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastgw.ext.io.tls.tickets import TicketKeys
from fastgw.tls.bundle import Bundle, files_of, read_bundle


@dataclass(frozen=True)
class TlsMaterial:
    """Files by the digests that the plan names, and the node's ticket keys."""

    files: Bundle | Mapping[str, bytes]
    tickets: TicketKeys


def ticket_keys(options: Iterable[Mapping[str, Any]]) -> bytes:
    """The content of the file of ticket keys that a plan's `tls` options name; empty: none does.
    BundleError: it is not what it was when the plan was made."""
    known = list(options)
    keys = next((one["ticket_keys"] for one in known if one.get("ticket_keys")), "")
    if not keys:
        return b""
    content = read_bundle({k: path for k, path in files_of(known).items() if k == keys})
    return Bundle(content)[keys]
