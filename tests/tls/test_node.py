"""Node's TLS on both sides: its clients at our listeners, its servers behind them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.node import node
from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, upstream
from tests.scenario.origin import Origin
from tests.tls.authority import Authority
from tests.tls.kit import DEADLINE_S, GET, https, material, upstream_of
from tests.tls.test_upstream import secure_upstream

#: Two connections, the second with the session of the first; what each has seen.
CLIENT = """
const tls = require('tls'), fs = require('fs');
const [port, ca, version] = process.argv.slice(1);
const options = {
  host: '127.0.0.1', port, ca: fs.readFileSync(ca), servername: 'a.example',
  ALPNProtocols: ['http/1.1'], minVersion: version, maxVersion: version,
};
function ask(session, then) {
  let said = '', kept = null;
  const s = tls.connect({ ...options, session }, () => {
    s.write('GET / HTTP/1.1\\r\\nHost: a.example\\r\\nConnection: close\\r\\n\\r\\n');
  });
  s.on('session', (found) => { kept = found; });
  s.on('data', (data) => { said += data; });
  s.on('end', () => then({
    status: said.slice(9, 12), version: s.getProtocol(), alpn: s.alpnProtocol,
    reused: s.isSessionReused(), session: kept,
  }));
  s.on('error', (e) => { console.error(e); process.exit(1); });
}
ask(null, (first) => ask(first.session, (second) => {
  delete first.session; delete second.session;
  console.log(JSON.stringify([first, second]));
}));
"""
SERVER = """
const https = require('https'), fs = require('fs');
const [cert, key, ca] = process.argv.slice(1).map((f) => fs.readFileSync(f));
const server = https.createServer({ cert, key, ca, requestCert: true }, (q, r) => {
  let n = 0;
  q.on('data', (data) => { n += data.length; });
  q.on('end', () => r.end(JSON.stringify({
    n, authorized: q.socket.authorized, reused: q.socket.isSessionReused(),
  })));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
"""


def test_clients(
    authority: Authority, pair: tuple[str, str], tmp_path: Path, origin: Origin
) -> None:
    ca = tmp_path / "ca"
    ca.write_bytes(authority.cert)
    with https(upstream(origin.address), tmp_path, cert=pair[0], key=pair[1]) as gw:
        for version in ("TLSv1.2", "TLSv1.3"):
            client = node(CLIENT, str(gw.address[1]), str(ca), version)
            said, errors = client.communicate(timeout=DEADLINE_S)
            assert client.returncode == 0, errors
            seen = {"status": "200", "version": version, "alpn": "http/1.1"}
            assert json.loads(said) == [seen | {"reused": False}, seen | {"reused": True}]


def test_servers(authority: Authority, tmp_path: Path) -> None:
    """Verified both ways, with bodies, resumed."""
    cert, key = authority.issue("origin.example").write(tmp_path, "origin")
    authority.issue("gateway.example").write(tmp_path, "own")
    (tmp_path / "ca").write_bytes(authority.cert)
    options = upstream_of(tmp_path, ca="ca", cert="own.pem", key="own.key")
    server = node(SERVER, cert, key, str(tmp_path / "ca"))
    assert server.stdout is not None
    try:
        address = ("127.0.0.1", int(server.stdout.readline()))
        target = secure_upstream(address, "origin.example", options)
        with Gateway(target, tls=material(options)) as gw, Client(gw.address) as c:
            for n, reused in ((0, False), (100_000, False)):
                body = b"*" * n
                head = GET.replace(b"GET", b"POST")[:-2] + b"Content-Length: %d\r\n\r\n" % n
                answer = json.loads(c.send(head + body).answer().body)
                assert answer == {"n": n, "authorized": True, "reused": reused}
    finally:
        server.communicate(timeout=DEADLINE_S)
