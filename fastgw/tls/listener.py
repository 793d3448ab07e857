"""A listener's `tls:` map, checked and turned into what `ext/io/tls/server.pyx` takes."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastgw.config.tls import CertificateFiles, ClientCertificates, ListenTls, TlsSettings
from fastgw.ext.io.tls.certificate import inspect
from fastgw.ext.io.tls.context import check_settings
from fastgw.ext.io.tls.pem import TlsFileError
from fastgw.named_files import NAMED
from fastgw.tls.files import FileError, Say, TlsFiles
from fastgw.tls.settings import resolved, session_id

#: A certificate's index and its expiry, by kind of key.
Kinds = dict[str, tuple[int, int]]
CODES = {"mismatch": "FGW303", "encrypted": "FGW305"}


def listener_options(tls: ListenTls, base: Path, say: Say) -> dict[str, Any] | None:
    """The options of a listener; None after saying everything that is wrong."""
    return _Listener(tls, TlsFiles(base), say).options()


@dataclass
class _Listener:
    """What is gathered while the map is read."""

    tls: ListenTls
    files: TlsFiles
    say: Say
    wrong: int = 0
    certificates: list[dict[str, str]] = field(default_factory=list)
    by_name: dict[str, Kinds] = field(default_factory=dict)
    settings: list[dict[str, Any]] = field(default_factory=list)
    #: Patterns of certificate files; a new file that fits is one more certificate.
    patterns: list[str] = field(default_factory=list)

    def options(self) -> dict[str, Any] | None:
        """Everything."""
        for where, entry in self.entries():
            self.add(where, entry)
        if not self.certificates and not self.wrong:
            self.problem((), "FGW307", "no certificate: give 'certificates', or 'cert' and 'key'")
        plain = self.use(("client",), {}, "")
        named = self.named()
        tickets = self.file(("ticket_keys",), self.tls.ticket_keys)
        self.check_tickets(tickets)
        if self.wrong:
            return None
        names = {name: [plain, self.indexes(name)] for name in self.by_name}
        first = next(iter(self.by_name), "")
        return {
            "settings": self.settings,
            "certificates": self.certificates,
            "names": names | named,
            "default": [plain, self.indexes(first) if first else [0]],
            "strict": self.tls.unknown_names == "reject",
            "handshake_ms": self.tls.handshake_timeout,
            "handshakes": self.tls.handshakes,
            "by_address": self.tls.handshakes_by_address,
            "ticket_keys": tickets,
            "files": self.files.paths,
            "patterns": self.patterns,
        }

    def problem(self, where: tuple[str | int, ...], code: str, message: str) -> None:
        """Say what is wrong."""
        self.wrong += 1
        self.say(where, code, message)

    def file(self, where: tuple[str | int, ...], text: str | None) -> str:
        """The digest of a file; "" for none, or when it can't be read."""
        if not text:
            return ""
        try:
            return self.files.add(text)
        except FileError as e:
            self.problem(where, "FGW302", str(e))
            return ""

    # -- certificates ------------------------------------------------------------------------

    def entries(self) -> Iterator[tuple[tuple[str | int, ...], CertificateFiles]]:
        """Every certificate that the map names, with the place that names it."""
        if self.tls.cert:
            yield ("cert",), CertificateFiles(cert=self.tls.cert, key=self.tls.key)
        for i, entry in enumerate(self.tls.certificates):
            where = ("certificates", i)
            if not glob.has_magic(entry.cert):
                yield where, entry
                continue
            self.patterns.append(self.files.path(entry.cert))
            found = NAMED.find(self.patterns[-1])
            if not found:
                self.problem(where, "FGW302", f"no file matches '{entry.cert}'")
            for path in found:
                if self.holds_certificate(path):
                    yield where, CertificateFiles(cert=path)

    def holds_certificate(self, path: str) -> bool:
        """Whether a file of a folder is one; keys may lie beside them."""
        try:
            return b"-----BEGIN CERTIFICATE-----" in self.files.peek(path)
        except FileError:
            return True  # said by whoever reads it next

    def add(self, where: tuple[str | int, ...], entry: CertificateFiles) -> None:
        """Read, check and keep one certificate."""
        before = self.wrong
        cert = self.file(where, entry.cert)
        key = cert
        if cert and entry.key:
            key = self.file(where, entry.key)
        elif cert and b"PRIVATE KEY-----" not in self.files[cert]:
            key = self.file(where, sibling_key(entry.cert))
        ocsp = self.file(where, entry.ocsp)
        if self.wrong > before:
            return
        try:
            facts = inspect(self.files[cert], self.files[key])
        except TlsFileError as e:
            path = self.files.paths[key if e.about_key else cert]
            self.problem(where, CODES.get(e.kind, "FGW302"), f"{path}: {e}")
            return
        if not self.in_force(where, self.files.paths[cert], facts):
            return
        self.keep(entry, {"cert": cert, "key": key, "ocsp": ocsp}, facts)

    def in_force(self, where: tuple[str | int, ...], path: str, facts: dict[str, Any]) -> bool:
        """Whether a certificate is valid today."""
        if facts["ends_s"] <= 0:
            days = -facts["ends_s"] // 86400
            self.problem(where, "FGW304", f"{path}: the certificate expired {days} days ago")
        elif facts["begins_s"] > 0:
            self.problem(where, "FGW304", f"{path}: the certificate is not valid yet")
        else:
            return True
        return False

    def keep(self, entry: CertificateFiles, row: dict[str, str], facts: dict[str, Any]) -> None:
        """File it under its names; of two of a kind the one that lasts longer counts."""
        names = entry.names or [text for kind, text in facts["names"] if kind == "dns"]
        index = len(self.certificates)
        self.certificates.append(row)
        for name in names or [""]:
            kinds = self.by_name.setdefault(name.lower().rstrip("."), {})
            if kinds.get(facts["kind"], (0, 0))[1] < facts["ends_s"]:
                kinds[facts["kind"]] = (index, facts["ends_s"])

    def indexes(self, name: str) -> list[int]:
        """The certificates of a name, one of each kind of key."""
        return [index for index, _ in self.by_name[name].values()]

    # -- settings ----------------------------------------------------------------------------

    def named(self) -> dict[str, list[Any]]:
        """Names with settings of their own."""
        found = {}
        for name, own in self.tls.names.items():
            where, lower = ("names", name), name.lower().rstrip(".")
            wild = "*." + lower.partition(".")[2]
            covered = next((n for n in (lower, wild) if n in self.by_name), None)
            if covered is None:
                if self.certificates:
                    self.problem(where, "FGW307", f"no certificate is for '{name}'")
                continue
            said = {k: v for k, v in own if v is not None}
            settings = self.use((*where, "client"), said, lower)
            if not self.wrong:
                found[lower] = [settings, self.indexes(covered)]
        return found

    def use(self, where: tuple[str | int, ...], own: dict[str, Any], name: str) -> int:
        """The index of the settings that the listener's and a name's own come to."""
        said = {k: getattr(self.tls, k) for k in TlsSettings.model_fields} | own
        client = said.pop("client") or ClientCertificates()
        settings = resolved(said)
        settings["client"] = {
            "mode": client.mode,
            "ca": self.file((*where, "ca"), client.ca),
            "crl": self.file((*where, "crl"), client.crl),
        }
        if client.mode != "off" and not client.ca:
            self.problem(where, "FGW306", f"'mode: {client.mode}' needs 'ca', whom to believe")
        settings["session"] = session_id(settings, name)
        if settings in self.settings:
            return self.settings.index(settings)
        self.settings.append(settings)
        if not self.wrong:
            try:
                check_settings(settings, self.files, True)
            except ValueError as e:
                self.problem(where[:-1], "FGW306", str(e))
        return len(self.settings) - 1

    def check_tickets(self, key: str) -> None:
        """Ticket keys are one to three of 80 bytes."""
        n = len(self.files[key]) if key else 80
        if n % 80 or not 80 <= n <= 240:
            path = self.files.paths[key]
            self.problem(
                ("ticket_keys",), "FGW302", f"{path}: holds {n} bytes; one to three keys of 80"
            )


def sibling_key(cert: str) -> str:
    """Where the key of a certificate is expected that holds none."""
    return os.path.splitext(cert)[0] + ".key"
