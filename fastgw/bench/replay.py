"""Replays: the requests of an access log again, in their order and at their distance in time.

Lines are JSON as fastgw writes them (`time`, `method`, `host`, `path`) or in the combined
format. Bodies are in no log, so only methods without one are replayed; what is left out is
counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from fastgw.bench.messages import FIELDS, request
from fastgw.bench.spec import Request

METHODS = ("GET", "HEAD", "OPTIONS", "DELETE")
_COMBINED = re.compile(r'\S+ \S+ \S+ \[([^\]]+)\] "(\S+) (\S+) HTTP/[\d.]+" (\d+)')


@dataclass(slots=True)
class Replay:
    """What can be sent again."""

    requests: list[Request] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    due_ns: list[int] = field(default_factory=list)
    left_out: int = 0


def read_replay(lines: Iterable[str], authority: str, speed: float = 1.0) -> Replay:
    """The replay of a log; `speed` 2 = twice as fast. ValueError when there is nothing in it."""
    made = Replay()
    known: dict[tuple[str, str, str], int] = {}
    entries = sorted(_entries(lines, made), key=lambda e: e[0])
    for time_ns, method, host, target in entries:
        key = (method, host or authority, target)
        if key not in known:
            try:
                data = request(target, key[1], method=method, fields=FIELDS["curl"])
            except ValueError:
                made.left_out += 1
                continue
            known[key] = len(made.requests)
            # Whatever was answered then, today's answer counts if it is one at all.
            made.requests.append(Request(data, no_body=method == "HEAD"))
        made.order.append(known[key])
        made.due_ns.append(int((time_ns - entries[0][0]) / speed))
    if not made.order:
        raise ValueError(f"no request that can be replayed; {made.left_out} lines left out")
    return made


def _entries(lines: Iterable[str], made: Replay) -> Iterator[tuple[int, str, str, str]]:
    """(unix time in ns, method, host, target) of each line that can be replayed."""
    for line in lines:
        if not line.strip():
            continue
        found = _from_json(line) if line.startswith("{") else _from_combined(line)
        if found is None or found[1] not in METHODS or not found[3].startswith("/"):
            made.left_out += 1
        else:
            yield found


def _from_json(line: str) -> tuple[int, str, str, str] | None:
    try:
        value = json.loads(line)
        at = datetime.fromisoformat(value["time"])
        target = value.get("target") or value["path"]
        return _ns(at), str(value["method"]), str(value.get("host") or ""), str(target)
    except (ValueError, KeyError, TypeError):
        return None


def _from_combined(line: str) -> tuple[int, str, str, str] | None:
    found = _COMBINED.match(line)
    if found is None:
        return None
    try:
        at = datetime.strptime(found[1], "%d/%b/%Y:%H:%M:%S %z")
    except ValueError:
        return None
    return _ns(at), found[2], "", found[3]


def _ns(at: datetime) -> int:
    """Exactly: a float of seconds since 1970 is good to 0.2 us only."""
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000
