"""Large configurations are read in time, and what is no configuration is refused at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastgw.config.reader import MAX_BYTES
from tests.meta.tree import ROOT

#: A check in a process of its own, and what it took: seconds of processor, and MiB.
CHECK = """
import json, resource, sys
from fastgw.cli.main import main
try: main(["check", sys.argv[1], "--offline"])
except SystemExit as e: code = e.code
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([code, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


def rows(n: int) -> Iterator[str]:
    """A configuration of n routes, every third and fifth with more to say."""
    yield "version: 1\nlisten: {http: ':18080'}\nupstreams:\n"
    for u in range(50):
        yield f"  u{u}: {{servers: [http://10.0.{u}.1:8080, http://10.0.{u}.2:8080]}}\n"
    yield "routes:\n"
    for i in range(n):
        yield f"  route-{i}:\n    match: h{i % 500}.example.com/api/v{i % 7}/thing-{i}/*\n"
        yield f"    upstream: u{i % 50}\n"
        if i % 3 == 0:
            yield "    rewrite: {strip_prefix: /api}\n    timeouts: {request: 5s}\n"
        if i % 5 == 0:
            yield f'    headers: {{request: {{set: {{X-Route: "r{i}"}}}}}}\n'


def checked(file: Path) -> tuple[int, float, float]:
    """Exit code, seconds of processor, MiB of a check."""
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(file)],
        cwd=ROOT, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    code, seconds, mib = json.loads(done.stdout.splitlines()[-1])
    return code, seconds, mib


@pytest.mark.plain_build
@pytest.mark.parametrize(
    ("n", "most_s", "most_mib"),
    [(10_000, 3, 512), pytest.param(50_000, 20, 1024, marks=pytest.mark.slow)],
)
def test_many_routes_are_checked_in_time(
    n: int, most_s: float, most_mib: float, tmp_path: Path
) -> None:
    file = tmp_path / "g.yaml"
    file.write_text("".join(rows(n)))
    code, seconds, mib = checked(file)
    assert code == 0
    assert seconds < most_s
    assert mib < most_mib


@pytest.mark.plain_build
def test_many_errors_are_said_in_time(tmp_path: Path) -> None:
    file = tmp_path / "g.yaml"
    file.write_text("".join(rows(10_000)).replace("upstream:", "upstraem:"))
    code, seconds, _ = checked(file)
    assert code == 2
    assert seconds < 6


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x7fELF\x02\x01\x01" + bytes(1000) + os.urandom(1 << 20), "a binary file"),
        (bytes(1 << 30), "larger than 32 MiB"),
        (b"\xff\xfe" + os.urandom(1 << 20), "not UTF-8"),
        (b"a: 1\n" * 100_000, "duplicate key"),
        (b"a: " + b"[" * 1_000_000, "nested deeper than 32 levels"),
        (b"- &a [x]\n" + b"- *a\n" * 100_000, "aliases are not accepted"),
        (b"a: '" + b"x" * (MAX_BYTES - 10), "while scanning a quoted scalar"),
    ],
    ids=["binary", "huge", "latin", "duplicates", "deep", "aliases", "endless"],
)
def test_what_is_no_configuration_is_refused_at_once(
    content: bytes, says: str, tmp_path: Path
) -> None:
    from fastgw.config.source import open_document

    file = tmp_path / "g.yaml"
    if len(content) == 1 << 30:
        with file.open("wb") as f:
            f.truncate(1 << 30)
    else:
        file.write_bytes(content)
    began = time.process_time()
    document = open_document(str(file))
    assert says in document.problems[0].message
    assert time.process_time() - began < 2


def test_a_typical_file_works_as_far_as_features_exist(tmp_path: Path) -> None:
    """What this version lacks is said, and nothing else is wrong."""
    from fastgw.config.build import CommandLine, build
    from fastgw.config.problems import ConfigError
    from fastgw.config.server_urls import hosts_resolver
    from fastgw.config.source import open_document

    file = tmp_path / "g.yaml"
    file.write_text(TYPICAL)
    with pytest.raises(ConfigError) as caught:
        build(open_document(str(file)), CommandLine(), hosts_resolver)
    said = {p.path for p in caught.value.problems}
    assert {"listen.https.acme", "auth", "routes.orders-write.async"} < said
    assert {p.code for p in caught.value.problems} <= {"FGW007", "FGW301"}
    assert len(caught.value.problems) >= 10


TYPICAL = """\
version: 1
listen: {http: ":80", https: {addr: ":443", acme: ops@example.com}}
defaults: {timeout: 10s, retry: {attempts: 2, budget: 20%}}
upstreams:
  orders:
    servers: [http://10.0.0.1:8080, http://10.0.0.2:8080]
    health: {path: /healthz, every: 5s}
auth:
  main: {jwt: {issuer: https://idp.example.com/, audience: orders}}
routes:
  orders-read:
    match: {host: api.example.com, path: "/orders/{id}", method: [GET, HEAD]}
    auth: main
    allow: "'orders:read' in scopes"
    rate_limit: {rate: 100/s, burst: 200, key: consumer, store: redis, on_store_error: local}
    cache: {ttl: 30s, stale_while_revalidate: 60s}
    upstream: orders
  orders-write:
    match: {host: api.example.com, path: /orders, method: POST}
    auth: main
    validate: {openapi: specs/orders.yaml}
    async: {kafka: orders.in, key: "header:idempotency-key", reply: 202}
"""
