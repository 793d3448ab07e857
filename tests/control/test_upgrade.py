"""The control process while one gateway takes over from another."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import httpx

from tests.control.kit import until
from tests.control.test_gateway import running


def test_one_control_process_answers(tmp_path: Path) -> None:
    """The older one until the new gateway is ready, then the new one alone; no request fails."""
    with running(tmp_path) as (gw, _):
        gw.wait_for("serves")
        old = set(gw.workers())
        pids: list[set[int]] = []
        failures: list[Exception] = []
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                transport = httpx.HTTPTransport(uds=str(tmp_path / "default" / "admin.sock"))
                try:
                    with httpx.Client(transport=transport, base_url="http://x", timeout=15) as api:
                        said = api.get("/workers").json()["workers"]
                except httpx.HTTPError as e:
                    failures.append(e)
                    return
                pids.append({w["pid"] for w in said})

        asking = threading.Thread(target=ask)
        asking.start()
        gw.signal(signal.SIGUSR2)
        pid = int(gw.wait_for(r"new program \(pid (\d+)\) is ready")[1])
        try:
            until(lambda: pids and not pids[-1] & old, "answered by the new one")
            begun = len(pids)
            until(lambda: len(pids) > begun + 30, "asked more often")
            over.set()
            asking.join(15)
            assert not failures
            assert pids[0] == old
            assert not any(seen & old for seen in pids[begun:])
        finally:
            over.set()
            os.kill(pid, signal.SIGTERM)
            until(lambda: not Path(f"/proc/{pid}").exists(), "gone")
