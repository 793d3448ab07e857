"""The access log and DNS, checked and lowered to options of the processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastgw.config.document import Document
from fastgw.config.models import Config
from fastgw.config.node_models import AccessLog, Dns
from fastgw.control.sinks import STANDARD, check_target
from fastgw.ext.record.log_options import read_options
from fastgw.name_server import name_server


class NodeLowering:
    """What a file and the command line say about the processes; the latter wins, key by key."""

    def __init__(self, document: Document, config: Config, said: Document, told: Config) -> None:
        self.document, self.config = document, config
        self.said, self.told = said, told

    def options(self) -> dict[str, Any]:
        """The options (ext/route/node.py); what is wrong is noted in the documents."""
        made: dict[str, Any] = {}
        log = self.access_log()
        if log is not None:
            made["access_log"] = log
        if self.config.dns is not None:
            made["dns"] = self.dns(self.config.dns)
        return made

    def access_log(self) -> dict[str, Any] | None:
        """{to, line: what log_options.py reads}; None: there is no access log."""
        sources = [(self.document, self.config.access_log)]
        if self.said is not self.document:
            sources.append((self.said, self.told.access_log))
        merged: dict[str, Any] = {}
        for document, log in sources:
            if log is not None:
                said = written(log)
                self._check(document, said)
                if "to" in said:
                    said["to"] = self._target(document, said["to"])
                merged |= said
        if not merged:
            return None
        to = merged.pop("to", "")
        if not to:
            document, _ = next((d, log) for d, log in sources if log is not None)
            document.problem("FGW004", ("access_log",), "'to' is missing: nothing is written")
        return {"to": to, "line": merged}

    def _check(self, document: Document, said: dict[str, Any]) -> None:
        """Say what is wrong with a line's options, at the key that they are about."""
        try:
            read_options({key: value for key, value in said.items() if key != "to"})
        except ValueError as e:
            key, _, text = str(e).partition(": ")
            known = key in AccessLog.model_fields
            where = ("access_log", key) if known else ("access_log",)
            document.problem("FGW005", where, text if known else str(e))

    def _target(self, document: Document, to: str) -> str:
        """A path is taken from the configuration's folder."""
        if to and to not in STANDARD and not to.startswith(("/", "unix:", "tcp:")):
            to = os.path.abspath(Path(document.file).parent / to)
        try:
            check_target(to)
        except ValueError as e:
            document.problem("FGW005", ("access_log", "to"), str(e))
        return to

    def dns(self, dns: Dns) -> dict[str, Any]:
        """{servers, timeout_ms}."""
        for i, text in enumerate(dns.servers or ()):
            if not name_server(text):
                where = ("dns", "servers", i)
                self.document.problem("FGW005", where, f"'{text}' is neither 'ip' nor 'ip:port'")
        return {"servers": list(dns.servers or ()), "timeout_ms": dns.timeout}


def written(log: AccessLog) -> dict[str, Any]:
    """The keys that were written, as log_options.py reads them."""
    said: dict[str, Any] = log.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    return said
