"""GET /connections: pages of connections from workers that run."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.control.kit import until
from tests.control.test_gateway import running

GET = b"GET /some HTTP/1.1\r\nHost: a\r\n\r\n"


def api(tmp_path: Path) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=str(tmp_path / "default" / "admin.sock"))
    return httpx.Client(transport=transport, base_url="http://localhost", timeout=60)


def connections(client: httpx.Client, limit: int) -> list[dict[str, Any]]:
    """All pages."""
    found: list[dict[str, Any]] = []
    after = ""
    while after is not None:
        page = client.get("/connections", params={"limit": limit, "after": after}).json()
        assert len(page["connections"]) < limit + 64
        found += page["connections"]
        after = page["next"]
    return found


def test_pages_hold_every_connection_once(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as (gw, url), api(tmp_path) as client:
        gw.wait_for("serves")
        host, port = url.removeprefix("http://").split(":")
        mine = [socket.create_connection((host, int(port)), timeout=10) for _ in range(25)]
        for one in mine:
            one.sendall(GET)
            assert one.recv(1000).startswith(b"HTTP/1.1 200")
        found = connections(client, 4)
        assert sorted(row["port"] for row in found) == sorted(s.getsockname()[1] for s in mine)
        assert len({(row["worker"], row["id"]) for row in found}) <= 25
        (row, *_) = found
        assert (row["client"], row["state"], row["requests"]) == ("127.0.0.1", "idle", 1)
        assert row["listener"] == "cli-1" and row["tls"] == "" and row["age_ms"] >= 0
        assert row["received_bytes"] == len(GET) and row["sent_bytes"] > 0
        for one in mine:
            one.close()
        until(lambda: not connections(client, 100), "gone")


def test_without_a_limit_there_are_sums_alone(tmp_path: Path) -> None:
    with running(tmp_path) as (gw, _), api(tmp_path) as client:
        gw.wait_for("serves")
        said = client.get("/connections").json()
        assert (said["connections"], said["next"]) == ([], None)


@pytest.mark.parametrize("query", ["limit=x", "limit=101", "limit=-1", "limit=5&after=nonsense"])
def test_wrong_questions(tmp_path: Path, query: str) -> None:
    with running(tmp_path) as (gw, _), api(tmp_path) as client:
        gw.wait_for("serves")
        answer = client.get(f"/connections?{query}")
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_worker_that_does_not_answer(tmp_path: Path) -> None:
    # However late the answer comes on a busy machine: the worker must not be ended meanwhile.
    with running(tmp_path, "--timeout-hung", "5m") as (gw, _), api(tmp_path) as client:
        gw.wait_for("serves")
        until(lambda: shown_ready(client), "known to the control process")
        (worker,) = gw.workers()
        os.kill(worker, signal.SIGSTOP)
        try:
            answer = client.get("/connections?limit=5")
        finally:
            os.kill(worker, signal.SIGCONT)
        assert answer.status_code == 503
        assert "does not answer" in answer.json()["detail"]
        until(lambda: client.get("/connections?limit=5").status_code == 200, "answered again")


def shown_ready(client: httpx.Client) -> bool:
    """Whether the worker is in the list, as one that may be asked."""
    return [w["state"] for w in client.get("/workers").json()["workers"]] == ["ready"]
