"""What may be said about the access log, and what it means.

    {format: json | combined | TEMPLATE, fields: [NAME ...], show: [NAME ...],
     sample: 0.1, keep: [RULE ...], skip: [RULE ...]}

Read where the configuration is checked and again where the log is made; errors are
ValueErrors that name the key. docs/access-log.md explains all of it to users.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from fastgw.ext.base.reasons import REASON_TABLE

#: Every field, in the order of `LogField` (log_values.pxd).
FIELDS: Final = (
    "time", "time_clf", "time_s", "request_id", "client", "client_port", "peer", "method", "scheme",
    "host", "path", "query", "target", "protocol", "status", "reason", "decided_by", "waiting_on",
    "route", "upstream", "endpoint", "tries", "request_bytes", "response_bytes", "connect_ms",
    "head_ms", "total_ms", "header", "response_header", "tls",
)  # fmt: skip
#: Those with a header's name: `header.user-agent`.
WITH_NAME: Final = ("header", "response_header")
#: What `tls` stands before, in the order of `TlsText` (io/tls/identity.pxd): `tls.version`.
TLS_FIELDS: Final = (
    "name", "version", "cipher", "client.subject", "client.issuer", "client.fingerprint",
    "client.names", "client.cert",
)  # fmt: skip
#: What a JSON line has unless `fields` says otherwise.
DEFAULT: Final = (
    "time", "request_id", "client", "method", "host", "path", "status", "reason", "decided_by",
    "waiting_on", "route", "upstream", "endpoint", "tries", "connect_ms", "head_ms", "total_ms",
    "request_bytes", "response_bytes",
)  # fmt: skip
COMBINED: Final = (
    '{client} - - [{time_clf}] "{method} {target} {protocol}" {status} {response_bytes} '
    '"{header.referer}" "{header.user-agent}"'
)
#: Headers whose values stand in no log unless `show` names them.
SECRET_HEADERS: Final = frozenset(
    ("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key")
)
MOST_PIECES: Final = 64
MOST_RULES: Final = 16
#: Of one condition, and query parameters that may be shown.
MOST_NAMES: Final = 8
MOST_SHOWN: Final = 16
REASON_NAMES: Final = tuple(row[0] for row in REASON_TABLE)
_TOKEN = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A field of a line and the text before it."""

    before: bytes
    #: Index into FIELDS; -1 = nothing but the text.
    field: int = -1
    #: Name of the header, in lower case; of TLS, what of it.
    name: bytes = b""
    #: Written as it came, not redacted.
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions that must all hold; an empty one says nothing about it."""

    status: tuple[int, int] = (0, 999)
    slower_us: int = 0
    #: Names of reasons; `any` stands for every one.
    reasons: tuple[str, ...] = ()
    routes: tuple[bytes, ...] = ()
    methods: tuple[bytes, ...] = ()
    #: What the path begins with.
    paths: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class LogFormat:
    """All of it, checked."""

    json: bool
    pieces: tuple[Piece, ...]
    #: Query parameters whose values are shown; None = all of them.
    shown_query: tuple[bytes, ...] | None
    #: Part of the lines that no rule decides about.
    sample: float
    keep: tuple[Rule, ...]
    skip: tuple[Rule, ...]


def read_options(options: Mapping[str, Any]) -> LogFormat:
    """The format that options describe, or ValueError."""
    known = ("format", "fields", "show", "sample", "keep", "skip")
    for key in options:
        if key not in known:
            raise ValueError(f"unknown key '{key}'" + hint(str(key), known))
    kind = options.get("format", "json")
    fields = options.get("fields")
    if not isinstance(kind, str) or not kind:
        raise ValueError("format: 'json', 'combined' or a template")
    if fields is not None and kind != "json":
        raise ValueError("fields: only a JSON line has them; a template names its own")
    shown = _names("show", options.get("show", ()))
    if kind == "json":
        pieces = tuple(_json_pieces(DEFAULT if fields is None else _names("fields", fields), shown))
    else:
        pieces = tuple(_text_pieces(COMBINED if kind == "combined" else kind, shown))
    if len(pieces) > MOST_PIECES:
        raise ValueError(f"format: more than {MOST_PIECES} fields in a line")
    parameters = tuple(s.removeprefix("query.").encode() for s in shown if s.startswith("query."))
    if len(parameters) > MOST_SHOWN:
        raise ValueError(f"show: more than {MOST_SHOWN} query parameters")
    return LogFormat(
        json=kind == "json",
        pieces=pieces,
        shown_query=None if "query" in shown else parameters,
        sample=_sample(options.get("sample", 1.0)),
        keep=_rules("keep", options.get("keep", ())),
        skip=_rules("skip", options.get("skip", ())),
    )


def hint(name: str, known: Sequence[str]) -> str:
    """A guess at what was meant."""
    near = get_close_matches(name, known, 1)
    return f" (did you mean '{near[0]}'?)" if near else ""


# -- fields ----------------------------------------------------------------------------------


def _names(key: str, given: Any) -> tuple[str, ...]:
    """A list of texts; a text alone is a list of one."""
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, Sequence) or not all(isinstance(n, str) and n for n in given):
        raise ValueError(f"{key}: a list of names")
    return tuple(given)


def read_field(source: str, shown: Sequence[str]) -> tuple[int, bytes, bool]:
    """(index into FIELDS, header's name, whether it is shown) of a field as it is written."""
    kind, dot, name = source.partition(".")
    if kind in WITH_NAME:
        if not dot or not _TOKEN.fullmatch(name.lower()):
            raise ValueError(f"field '{source}': a header's name follows, as in '{kind}.x-tenant'")
        name = name.lower()
        secret = name in SECRET_HEADERS and name not in (s.lower() for s in shown)
        return FIELDS.index(kind), name.encode(), not secret
    if kind == "tls" and name in TLS_FIELDS:
        return FIELDS.index(kind), name.encode(), True
    if dot or source not in FIELDS or source == "tls":
        known = [f for f in FIELDS if f not in (*WITH_NAME, "tls")]
        known += [f"tls.{name}" for name in TLS_FIELDS]
        raise ValueError(f"unknown field '{source}'" + hint(source, known))
    return FIELDS.index(source), b"", True


def _json_pieces(names: Sequence[str], shown: Sequence[str]) -> Iterator[Piece]:
    if len(set(names)) != len(names):
        raise ValueError("fields: each only once")
    for name in names:
        yield Piece(f',"{name}":'.encode(), *read_field(name, shown))


def _text_pieces(source: str, shown: Sequence[str]) -> Iterator[Piece]:
    before = ""
    for found in _PIECE.finditer(source):
        text = found[0]
        if text in ("{{", "}}"):
            before += text[0]
        elif found[1] is not None:
            yield Piece(before.encode(), *read_field(found[1], shown))
            before = ""
        elif text in "{}":
            raise ValueError(f"format: a '{text}' alone (a literal brace is written '{text * 2}')")
        else:
            before += text
    if any(ord(c) < 32 for c in source):
        raise ValueError("format: holds a control character")
    if before:
        yield Piece(before.encode())


# -- which lines -----------------------------------------------------------------------------


def _sample(given: Any) -> float:
    """0.1 or "10%"."""
    try:
        if isinstance(given, str) and given.endswith("%"):
            value = float(given[:-1]) / 100
        else:
            value = float(given)
    except (TypeError, ValueError):
        value = -1.0
    if isinstance(given, bool) or not 0 <= value <= 1:
        raise ValueError(f"sample: {given!r} is neither a part from 0 to 1 nor a percentage")
    return value


def _rules(key: str, given: Any) -> tuple[Rule, ...]:
    if isinstance(given, (str, Mapping)):
        given = [given]
    if not isinstance(given, Sequence) or len(given) > MOST_RULES:
        raise ValueError(f"{key}: a list of at most {MOST_RULES} rules")
    return tuple(_rule(key, one) for one in given)


def _rule(key: str, given: Any) -> Rule:
    """A map, or `status=500-599,slower_than=1s`."""
    if isinstance(given, str):
        pairs = [part.partition("=") for part in given.split(",")]
        given = {name.strip(): value.strip() for name, _, value in pairs}
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f"{key}: a rule is a map of conditions")
    known = ("status", "slower_than", "reason", "route", "method", "path")
    for name in given:
        if name not in known:
            raise ValueError(f"{key}: unknown condition '{name}'" + hint(str(name), known))
    return Rule(
        status=_status(key, given.get("status", "0-999")),
        slower_us=_slower(key, given.get("slower_than", 0)),
        reasons=_reasons(key, given),
        routes=tuple(n.encode() for n in _listed(key, "route", given)),
        methods=tuple(n.encode() for n in _listed(key, "method", given)),
        paths=tuple(n.encode() for n in _listed(key, "path", given)),
    )


def _listed(key: str, name: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    value = given.get(name, ())
    names = _names(f"{key}: {name}", value.split("|") if isinstance(value, str) else value)
    if len(names) > MOST_NAMES and name != "reason":
        raise ValueError(f"{key}: {name}: more than {MOST_NAMES} in one condition")
    return names


def _reasons(key: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    names = _listed(key, "reason", given)
    for name in names:
        if name not in REASON_NAMES and name != "any":
            near = hint(name, REASON_NAMES)
            raise ValueError(f"{key}: reason: there is none that is called '{name}'{near}")
    return names


def _status(key: str, given: Any) -> tuple[int, int]:
    """500, "500-599" or "5xx"; 0 = no answer was begun."""
    text = str(given)
    if re.fullmatch(r"[1-5]xx", text):
        return int(text[0]) * 100, int(text[0]) * 100 + 99
    found = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", text)
    if found is None or int(found[2] or found[1]) < int(found[1]):
        raise ValueError(f"{key}: status {given!r} is no status, '500-599' or '5xx'")
    return int(found[1]), int(found[2] or found[1])


def _slower(key: str, given: Any) -> int:
    """A duration, as microseconds: 500ms, 1s, or a number of milliseconds."""
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given * 1000
    found = re.fullmatch(r"(\d+)(ms|s|m)", str(given))
    if found is None:
        raise ValueError(f"{key}: slower_than {given!r} is no duration, as 500ms or 2s")
    return int(found[1]) * {"ms": 1000, "s": 1_000_000, "m": 60_000_000}[found[2]]
