"""What works, but is hardly meant or safe; `--strict` makes errors of it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from ipaddress import ip_network

from fastgw.config.document import Document
from fastgw.config.models import Config
from fastgw.config.policies import Policies
from fastgw.config.policy_models import Headers, PolicyEntry, PolicyScope
from fastgw.config.problems import Where
from fastgw.config.targets import Targets

#: Headers whose value is a secret as a rule.
_SECRET = re.compile(r"(authorization|.*(token|secret|password|api-?key))\Z", re.IGNORECASE)
#: Trusting more addresses than these many bits leave is trusting everybody.
_WIDEST = {4: 8, 6: 16}


class Warnings:
    """Looks through a configuration that was read."""

    def __init__(
        self, document: Document, config: Config, targets: Targets, policies: Policies
    ) -> None:
        self.document, self.config = document, config
        self.targets, self.policies = targets, policies

    def note(self, broken: set[Where], groups: set[str]) -> None:
        """Note everything. `groups` are those that routes name; what was left out for being
        `broken` may have named others."""
        self.trust()
        self.opened_paths()
        self.secrets()
        self.permissions()
        if not broken and not self.document.errors:
            self.unused("upstreams", self.targets.used)
            self.unused("policies", self.policies.used)
            self.unused("groups", groups)

    def unused(self, key: str, used: set[str]) -> None:
        """Named things that nothing names."""
        for name in getattr(self.config, key):
            if name not in used:
                self.document.warn("FGW111", (key, name), "is used by no route", key=True)

    def trust(self) -> None:
        """Proxies that are everybody."""
        for i, text in enumerate(self.config.trusted_proxies):
            try:
                network = ip_network(text)
            except ValueError:
                continue  # not a network, which is said elsewhere
            if network.prefixlen < _WIDEST[network.version]:
                self.document.warn(
                    "FGW402",
                    ("trusted_proxies", i),
                    f"'{text}': nearly anyone could say who the client is",
                )

    def opened_paths(self) -> None:
        """Routes that take on what the path rule refuses."""
        for key in ("groups", "routes"):
            for name, scope in getattr(self.config, key).items():
                if scope.allow_path:
                    self.document.warn(
                        "FGW403",
                        (key, name, "allow_path"),
                        "the upstream must read these paths exactly as the gateway does",
                    )

    # -- secrets -------------------------------------------------------------------------

    def secrets(self) -> None:
        """Secrets that stand in the file itself."""
        for where, headers in self.headers():
            for side in ("request", "response"):
                edits = getattr(headers, side)
                for verb in ("set", "add"):
                    for name, value in getattr(edits, verb).items():
                        self.secret((*where, side, verb, name), name, value)

    def secret(self, where: Where, name: str, value: str | list[str]) -> None:
        """A header that is a secret as a rule: a reference or variable brings its value."""
        texts = [value] if isinstance(value, str) else value
        brought = self.document.hidden
        if _SECRET.match(name) and not all("{" in t or any(h in t for h in brought) for t in texts):
            self.document.warn(
                "FGW404", where, f"the value of '{name}' stands in the file; bring it by reference"
            )

    def headers(self) -> Iterator[tuple[Where, Headers]]:
        """Every `headers` policy, with where it is written."""
        for where, scope in self.scopes():
            if scope.headers is not None:
                yield (*where, "headers"), scope.headers
            if not isinstance(scope, PolicyScope):
                continue
            lists = (("policies", scope.policies), ("policies+", scope.policies_more))
            for key, entries in lists:
                for i, entry in enumerate(entries or ()):
                    if isinstance(entry, PolicyEntry) and entry.headers is not None:
                        yield (*where, key, i, "headers"), entry.headers

    def scopes(self) -> Iterator[tuple[Where, PolicyScope | PolicyEntry]]:
        """Everything that policies are written in."""
        yield ("defaults",), self.config.defaults
        for key in ("upstreams", "groups", "policies", "routes"):
            for name, scope in getattr(self.config, key).items():
                yield (key, name), scope

    def permissions(self) -> None:
        """Files that others may change."""
        for file in dict.fromkeys(self.document.files):
            try:
                mode = os.stat(file).st_mode
            except OSError:
                continue  # gone since it was read
            if mode & stat.S_IWOTH:
                self.document.warn("FGW405", (), f"anybody may change {file}")
