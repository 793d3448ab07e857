"""`fastgw demo` shows what it says, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from fastgw.demo.tries import TRIES
from tests.process.gateway import ROOT

COMMAND = [sys.executable, "-m", "fastgw", "demo"]
#: From Ctrl-C to the end of everything on a quiet machine. A busy one has shown how much slower
#: it is by the time that it took to start the same processes.
END_S = 2.0


def test_every_try_is_as_expected() -> None:
    done = subprocess.run(
        [*COMMAND, "--check"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok  ") == len(TRIES)
    assert done.stderr == ""


def descendants(pid: int) -> list[int]:
    """Every process below one."""
    found = []
    for line in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(line), *descendants(int(line))]
    return found


def test_ctrl_c_ends_all_of_it() -> None:
    """Even while an answer is under way, and a request that would never end."""
    started_s = time.monotonic()
    with subprocess.Popen(
        COMMAND, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        said = ""
        while "Ctrl-C ends" not in said:
            line = demo.stdout.readline()
            assert line, demo.communicate()
            said += line
        limit_s = END_S + time.monotonic() - started_s
        base = re.search(r"http://([\d.]+):(\d+)", said)
        assert base
        below = descendants(demo.pid)
        # Services, master, worker, control process.
        assert len(below) == 4
        with (
            socket.create_connection((base[1], int(base[2])), 10) as endless,
            urllib.request.urlopen(base[0] + "/orders/stream", timeout=10) as answer,
        ):
            endless.sendall(b"POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nno")
            assert answer.read(5) == b"data:"
            begin = time.monotonic()
            os.killpg(demo.pid, signal.SIGINT)
            assert demo.wait(60) == 0
        assert time.monotonic() - begin < limit_s
        # A child of a master that had to be killed hears of it a moment later.
        while left := [pid for pid in below if Path(f"/proc/{pid}").exists()]:
            assert time.monotonic() - begin < 2 * limit_s, left
            time.sleep(0.01)


def test_each_try_has_a_curl_line() -> None:
    lines = [one.curl("http://127.0.0.1:8080") for one in TRIES]
    assert all(line.startswith("curl -s") for line in lines)
    assert "curl -si -H 'Host: shop.localhost' http://127.0.0.1:8080/" in lines
