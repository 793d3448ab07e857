"""What the access log and the metrics say of TLS connections."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from tests.record.test_metrics import Counted
from tests.scenario.gateway import Gateway, Listener, upstream
from tests.scenario.origin import Origin
from tests.tls.authority import Authority
from tests.tls.kit import GET, SecureClient, https, material, options_of, trusting

Pair = tuple[str, str]


def test_tls_fields_of_a_line(
    authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.cert)
    options = options_of(
        tmp_path, cert=pair[0], key=pair[1], client={"ca": str(ca), "mode": "request"}
    )
    fields = ["tls.name", "tls.version", "tls.cipher", "tls.client.subject", "tls.client.names"]
    with Gateway(
        upstream(origin.address),
        listeners=(Listener("https", "127.0.0.1:0", {"tls": options}),),
        tls=material(options),
        log={"fields": fields},
    ) as gw:
        mine = authority.issue("me.example").write(tmp_path, "me")
        with SecureClient(gw.address, trusting(authority, cert=mine)) as c:
            assert c.send(GET).answer().status == 200
        line = gw.record()
        assert line["tls.version"] == "TLSv1.3" and line["tls.cipher"].startswith("TLS_")
        assert "me.example" in line["tls.client.subject"]
        assert line["tls.client.names"] == "dns:me.example"
        assert line["tls.name"] == "a.example"
        with SecureClient(gw.address, trusting(authority)) as c:
            assert c.send(GET).answer().status == 200
        assert set(gw.record()) == {"tls.name", "tls.version", "tls.cipher"}


def test_a_plain_connection_has_none(origin: Origin) -> None:
    with Gateway(upstream(origin.address), log={"format": "{tls.version} {status}"}) as gw:
        with socket.create_connection(gw.address) as s:
            s.sendall(GET)
            assert s.recv(1000).startswith(b"HTTP/1.1 200")
        assert gw.line() == "- 200"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_handshakes(
    version: ssl.TLSVersion, authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    """All, those that go on with a session, those of the older version; failures by reason."""
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        counted = Counted(gw)
        context = trusting(authority, version=version)
        with SecureClient(gw.address, context) as c:
            assert c.send(GET).answer().status == 200
            session = c.socket.session
        with SecureClient(gw.address, context, session=session) as c:
            assert c.send(GET).answer().status == 200
        assert counted.get("tls_handshakes_total", "https") == 2
        assert counted.get("tls_resumed_handshakes_total", "https") == 1
        old = version == ssl.TLSVersion.TLSv1_2
        assert counted.get("tls_legacy_handshakes_total", "https") == (2 if old else 0)


def test_failed_handshakes(
    authority: Authority, pair: Pair, tmp_path: Path, origin: Origin
) -> None:
    with https(
        upstream(origin.address), tmp_path, cert=pair[0], key=pair[1], handshake_timeout="200ms"
    ) as gw:
        counted = Counted(gw)
        with socket.create_connection(gw.address) as s:
            s.sendall(b"GET / HTTP/1.1\r\n\r\n")
            s.settimeout(10)
            while s.recv(100):
                pass
        with socket.create_connection(gw.address) as s:
            s.settimeout(10)
            assert s.recv(100) == b""
        gw.until(lambda now: now["connections"] == 0, "closed")
        assert counted.get("tls_failures_total", "https", "tls_failed") == 1
        assert counted.get("tls_failures_total", "https", "tls_timeout") == 1
        assert counted.get("tls_handshakes_total", "https") == 0
        assert counted.get("listener_open_connections", "https") == 0
        assert counted.get("listener_connections_total", "https") == 2
