"""A whole gateway whose upstream has a name, before a name server of the test's own."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from tests.control.dns_server import DnsServer
from tests.control.kit import until
from tests.process.gateway import Gateway
from tests.scenario.service import Service

CONFIG = """\
version: 1
dns: {{servers: '{dns}', timeout: 500ms}}
routes:
  all: {{match: /*, upstream: 'http://{host}:{port}'}}
"""


class Named:
    """A gateway before a service that is reached by a name."""

    def __init__(self, gw: Gateway, url: str, service: Service, dns: DnsServer, run: Path) -> None:
        self.gw, self.url, self.service, self.dns, self.run = gw, url, service, dns, run

    def status(self) -> int:
        """Of a request on a connection of its own."""
        connection = HTTPConnection(self.url.removeprefix("http://"), timeout=15)
        with contextlib.closing(connection):
            connection.request("GET", "/")
            return connection.getresponse().status

    def api(self) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self.run / "default" / "admin.sock"))
        return httpx.Client(transport=transport, base_url="http://localhost", timeout=15)


@contextmanager
def running(tmp_path: Path, dns: DnsServer, workers: int = 1) -> Iterator[Named]:
    """A gateway with its upstream at orders.test, which resolves to what `dns` says."""
    with Service() as service:
        port = int(service.url.rpartition(":")[2])
        config = tmp_path / "gateway.yaml"
        config.write_text(CONFIG.format(dns=dns.address, host="orders.test", port=port))
        with Gateway(
            [sys.executable, "-m", "fastgw", "run", str(config), "--workers", str(workers),
             "--listen", "127.0.0.1:0", "--run-dir", str(tmp_path)]
        ) as gw:  # fmt: skip
            host, number = gw.address()
            gw.ready()
            yield Named(gw, f"http://{host}:{number}", service, dns, tmp_path)


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as one:
        yield one


def test_a_start_does_not_wait_for_dns(tmp_path: Path, dns: DnsServer) -> None:
    """Nobody answers: the gateway is ready all the same, and serves once somebody does."""
    dns.silent.add("orders.test")
    with running(tmp_path, dns) as g:
        answer = httpx.get(g.url)
        assert answer.status_code == 503
        assert answer.json()["type"].endswith("upstream_unresolved")
        g.gw.wait_for("host orders.test: no name server answers; it has no address")
        dns.zone["orders.test"] = [("A", 60, "127.0.0.1")]
        dns.silent.clear()
        until(lambda: g.status() == 200, "resolved")


def test_a_change_reaches_all_workers_within_a_second(tmp_path: Path, dns: DnsServer) -> None:
    """Of the TTL's end, which is the earliest that anybody asks again."""
    dns.zone["orders.test"] = [("A", 1, "127.0.0.1")]
    with running(tmp_path, dns, workers=2) as g:
        until(lambda: g.status() == 200, "resolved")
        asked = dns.count("orders.test")
        dns.zone["orders.test"] = [("A", 60, "127.0.0.9")]
        until(lambda: dns.count("orders.test") > asked, "asked again")
        begun = time.monotonic()
        # Connections of their own: both workers get some, all must know by now.
        until(lambda: {g.status() for _ in range(8)} == {502}, "told")
        assert time.monotonic() - begun < 1.0


def test_a_name_that_vanishes_keeps_its_addresses(tmp_path: Path, dns: DnsServer) -> None:
    dns.zone["orders.test"] = [("A", 1, "127.0.0.1")]
    with running(tmp_path, dns) as g:
        until(lambda: g.status() == 200, "resolved")
        del dns.zone["orders.test"]
        g.gw.wait_for("host orders.test: no such name; its last addresses are kept")
        assert g.status() == 200
        with g.api() as api:
            text = api.get("/metrics").text
        assert "fastgw_names_unresolved 0" in text
        failures = [
            row for row in text.splitlines() if row.startswith("fastgw_name_lookup_failures")
        ]
        assert int(failures[0].split()[1]) >= 1


def test_killed_processes_forget_nothing(tmp_path: Path, dns: DnsServer) -> None:
    """A worker and a control process that come later know what was known, without DNS."""
    dns.zone["orders.test"] = [("A", 60, "127.0.0.1")]
    with running(tmp_path, dns) as g:
        until(lambda: g.status() == 200, "resolved")
        dns.silent.add("orders.test")
        (worker,) = g.gw.workers()
        os.kill(g.gw.control(), signal.SIGKILL)
        os.kill(worker, signal.SIGKILL)
        g.gw.wait_for(r"worker 0 \(pid \d+\) ready")
        assert g.status() == 200
        g.gw.wait_for("host orders.test: no name server answers; its last addresses are kept")
        assert g.status() == 200


def test_an_upgrade_forgets_nothing(tmp_path: Path, dns: DnsServer) -> None:
    dns.zone["orders.test"] = [("A", 60, "127.0.0.1")]
    with running(tmp_path, dns) as g:
        until(lambda: g.status() == 200, "resolved")
        dns.silent.add("orders.test")
        g.gw.signal(signal.SIGUSR2)
        pid = int(g.gw.wait_for(r"new program \(pid (\d+)\) is ready")[1])
        try:
            assert {g.status() for _ in range(10)} == {200}
        finally:
            os.kill(pid, signal.SIGTERM)
            until(lambda: not Path(f"/proc/{pid}").exists(), "gone")


def test_a_reload_waits_for_new_names(tmp_path: Path, dns: DnsServer) -> None:
    """A request right after the switch finds the new name's addresses; a name that nobody
    answers for does not hold the reload up for long."""
    dns.zone["orders.test"] = dns.zone["new.test"] = [("A", 60, "127.0.0.1")]
    dns.silent.add("silent.test")
    with running(tmp_path, dns) as g:
        until(lambda: g.status() == 200, "resolved")
        config = tmp_path / "gateway.yaml"
        text = config.read_text()
        config.write_text(text.replace("orders.test", "new.test"))
        g.gw.signal(signal.SIGHUP)
        g.gw.wait_for("generation 2 serves")
        assert g.status() == 200
        config.write_text(text.replace("orders.test", "silent.test"))
        g.gw.signal(signal.SIGHUP)
        g.gw.wait_for("generation 3 serves")
        assert g.status() == 503


def test_name_servers_can_be_changed(tmp_path: Path, dns: DnsServer) -> None:
    dns.silent.add("orders.test")
    with running(tmp_path, dns) as g, DnsServer() as other:
        other.zone["orders.test"] = [("A", 60, "127.0.0.1")]
        assert g.status() == 503
        config = tmp_path / "gateway.yaml"
        config.write_text(config.read_text().replace(dns.address, other.address))
        g.gw.signal(signal.SIGHUP)
        until(lambda: g.status() == 200, "resolved")
