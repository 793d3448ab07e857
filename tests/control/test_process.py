"""The control process as a process: killed, stopped, slow sinks, a master that is gone."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import time
from pathlib import Path

import httpx
import pytest

from fastgw.ext.record.ring import RingReader
from fastgw.master.addresses import AddressError
from fastgw.privileges import Identity
from tests.control.kit import Master, until


def text(path: Path) -> str:
    """What stands in a file, if it is there."""
    return path.read_text() if path.exists() else ""


def read_some(fd: int) -> bytes:
    """What there is to read now."""
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return b""


def test_log_lines_reach_the_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Master(tmp_path, access_log=str(log)) as m:
        a, b = m.writer(), m.writer()
        m.wait_ready()
        assert a.write(b"from a\n") and b.write(b"from b\n")
        until(lambda: len(text(log).splitlines()) == 2, "written")
    assert sorted(log.read_text().splitlines()) == ["from a", "from b"]


def test_killed_control_loses_no_line(tmp_path: Path) -> None:
    """What was written while it was dead waits in the ring."""
    log = tmp_path / "log"
    with Master(tmp_path, access_log=str(log)) as m:
        writer = m.writer()
        m.wait_ready()
        for i in range(3):
            pid = m.control.pid
            writer.write(b"before %d\n" % i)
            os.kill(pid, signal.SIGKILL)
            writer.write(b"after %d\n" % i)
            until(lambda pid=pid: m.control.pid not in (0, pid), "started again")
            m.wait_ready()
        until(lambda: len(text(log).splitlines()) == 6, "written")
        assert m.control.restarts == 3
        with m.client as api:
            assert "fastgw_control_restarts_total" in api.get("/metrics").text
    assert log.read_text().split() == [
        word for i in range(3) for word in ("before", str(i), "after", str(i))
    ]
    assert "killed by SIGKILL" in m.said


def test_what_was_told_is_told_again(tmp_path: Path) -> None:
    with Master(tmp_path) as m:
        m.do(lambda c: c.tell("workers", workers=[{"slot": 0, "state": "ready"}]))
        m.wait_ready()
        os.kill(m.control.pid, signal.SIGKILL)
        until(lambda: not m.control.is_ready or m.control.restarts, "dead")
        # A request that comes while there is nobody waits in the socket's queue.
        with m.client as api:
            assert api.get("/readyz").status_code == 200
        m.do(lambda c: c.tell("drain"))
        with m.client as api:
            until(lambda: api.get("/readyz").status_code == 503, "not ready any more")


def test_end_writes_what_is_left(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Master(tmp_path, access_log=str(log)) as m:
        writer = m.writer()
        m.wait_ready()
        os.kill(m.control.pid, signal.SIGSTOP)
        writer.write(b"late\n")
        os.kill(m.control.pid, signal.SIGCONT)
    assert log.read_text() == "late\n"
    assert not (tmp_path / "admin.sock").exists()


def test_stopped_control_is_ended_at_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastgw.master.control.END_S", 0.2)
    with Master(tmp_path) as m:
        pid = m.wait_ready().control.pid
        os.kill(pid, signal.SIGSTOP)
    assert not Path(f"/proc/{pid}").exists()


def test_control_that_does_not_read_is_replaced(tmp_path: Path) -> None:
    with Master(tmp_path) as m:
        pid = m.wait_ready().control.pid
        os.kill(pid, signal.SIGSTOP)
        big = [{"slot": 0, "state": "x" * 1000}] * 100
        end = time.monotonic() + 10
        while m.control.restarts == 0:
            m.do(lambda c: c.tell("workers", workers=big))
            assert time.monotonic() < end
            time.sleep(0.005)
        m.do(lambda c: c.tell("workers", workers=[]))
        m.wait_ready()
    assert "does not read" in m.said


def test_one_that_is_slow_to_begin_is_not_flooded(tmp_path: Path) -> None:
    """What changes meanwhile is told once, when it listens; it is not taken for one that does
    not read."""
    with Master(tmp_path) as m:
        until(lambda: m.control.pid, "started")
        pid = m.control.pid
        os.kill(pid, signal.SIGSTOP)
        rows = [{"slot": 0, "state": "x" * 1000}] * 100
        for _ in range(200):
            m.do(lambda c: c.tell("workers", workers=rows))
        m.do(lambda c: c.tell("workers", workers=[{"slot": 7, "state": "ready"}]))
        os.kill(pid, signal.SIGCONT)
        m.wait_ready()
        assert (m.control.pid, m.control.restarts) == (pid, 0)
        with m.client as api:
            until(lambda: api.get("/workers").json()["workers"][0]["slot"] == 7, "told")


def test_reopen(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Master(tmp_path, access_log=str(log)) as m:
        writer = m.writer()
        m.wait_ready()
        writer.write(b"one\n")
        until(lambda: text(log) == "one\n", "written")
        log.rename(tmp_path / "log.1")
        m.do(lambda c: c.tell_once("reopen"))
        until(log.exists, "opened again")
        writer.write(b"two\n")
        until(lambda: text(log) == "two\n", "written")
    assert (tmp_path / "log.1").read_text() == "one\n"


def test_fifo_that_nobody_reads_fills_the_ring_and_drops(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    with Master(tmp_path, access_log=str(fifo)) as m:
        writer = m.writer()
        m.wait_ready()
        line = b"q" * 9999 + b"\n"
        while writer.write(line):
            pass
        ring = RingReader(m.control.rings.all[0])
        assert ring.dropped == 1 and ring.waiting > (1 << 20) - 20_000
        with m.client as api:
            assert api.get("/healthz").status_code == 200
        until(lambda: read_some(reader) and writer.write(line), "room again")

    os.close(reader)


def test_unwritable_log_is_said_and_the_rest_works(tmp_path: Path) -> None:
    with Master(tmp_path, access_log=str(tmp_path / "none" / "log")) as m:
        writer = m.writer()
        m.wait_ready()
        writer.write(b"x\n")
        with m.client as api:
            until(lambda: "fastgw_log_errors_total 0\n" not in api.get("/metrics").text, "counted")


def test_address_in_use_is_an_error_of_the_start(tmp_path: Path) -> None:
    with Master(tmp_path, metrics_listen="127.0.0.1:0") as m:
        port = m.control.sockets.named["metrics-0"].getsockname()[1]
        (tmp_path / "b").mkdir()
        with pytest.raises(AddressError, match="address in use"):
            Master(tmp_path / "b", metrics_listen=f"127.0.0.1:{port}")
        assert not (tmp_path / "b" / "admin.sock").exists()
        m.wait_ready()


def test_socket_left_over_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "admin.sock").write_text("left over")
    with Master(tmp_path) as m, m.wait_ready().client as api:
        assert api.get("/healthz").status_code == 200


def test_master_that_is_gone_ends_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Master(tmp_path, access_log=str(log)) as m:
        writer = m.writer()
        m.wait_ready()
        pid = m.control.pid
        writer.write(b"last\n")
        with m._lock:
            m.control.sock.shutdown(2)  # type: ignore[union-attr]
        until(lambda: m.control.pid != pid, "ended")
    assert log.read_text() == "last\n"


def test_requests_survive_a_slow_client(tmp_path: Path) -> None:
    with Master(tmp_path, metrics_listen="127.0.0.1:0") as m:
        m.wait_ready()
        transport = httpx.HTTPTransport(uds=str(tmp_path / "admin.sock"))
        with httpx.Client(transport=transport, base_url="http://localhost") as slow:
            with slow.stream("GET", "/openapi.json") as stream:
                assert stream.status_code == 200
                with m.client as api:
                    assert api.get("/healthz").status_code == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run it as somebody else")
def test_it_runs_as_somebody_else(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    nobody = Identity(65534, 65534, "nobody")
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    with Master(folder, run_as=nobody, access_log=str(tmp_path / "log")) as m:
        pid = m.wait_ready().control.pid
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^Uid:\s+65534\s+65534\s+65534", status, re.M)
        assert re.search(r"^Gid:\s+65534\s+65534\s+65534", status, re.M)
        assert re.search(r"^CapEff:\s+0+$", status, re.M)
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)
        assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "100\n"
        with m.client as api:
            assert api.get("/healthz").status_code == 200
