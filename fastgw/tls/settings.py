"""Profiles: versions, ciphers and groups by Mozilla's server-side recommendations (5.7).

`intermediate` lacks its DHE ciphers: finite-field exchanges cost the server more than an
attacker's request for them, and every client of the profile has elliptic curves.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

_SUITES = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
_GROUPS = "X25519:P-256:P-384"
_INTERMEDIATE = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
#: With SHA-1 signatures, which versions before 1.2 need, and CBC.
_OLD = (
    _INTERMEDIATE + ":ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:"
    "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:"
    "ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:"
    "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA"
    ":@SECLEVEL=0"
)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a profile's name stands for."""

    min: str
    ciphers: str
    prefer_server: bool


PROFILES = {
    "modern": Profile("1.3", _INTERMEDIATE, False),
    "intermediate": Profile("1.2", _INTERMEDIATE, False),
    "old": Profile("1.0", _OLD, True),
}
#: What is spoken to clients inside TLS.
ALPN = ["http/1.1", "http/1.0"]


def resolved(said: dict[str, Any], server: bool = True) -> dict[str, Any]:
    """The settings that `said` (keys of `TlsSettings`, None = not said) comes to."""
    profile = PROFILES[said.get("profile") or "intermediate"]
    groups = said.get("groups")
    ciphers = said.get("ciphers")
    return {
        "min": said.get("min_version") or profile.min,
        "max": said.get("max_version") or "1.3",
        "ciphers": ":".join(ciphers) if ciphers else profile.ciphers,
        "suites": ":".join(said.get("suites") or ()) or _SUITES,
        "groups": ":".join(groups) if groups else _GROUPS,
        "prefer_server": server and (bool(ciphers) or profile.prefer_server),
        "alpn": ALPN if server else ["http/1.1"],
    }


def session_id(settings: dict[str, Any], name: str) -> str:
    """What sessions are bound to: they never begin a connection with other settings, and where
    clients are asked for certificates, none for another name."""
    bound = dict(settings, name=name if settings["client"]["mode"] != "off" else "")
    return sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()
