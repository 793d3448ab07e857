"""Ten thousand handshakes that nobody finishes: those who are there keep their pace."""

from __future__ import annotations

import resource
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.foreign import environment
from tests.scenario.origin import Origin
from tests.tls.authority import Authority
from tests.tls.kit import DEADLINE_S, GET, SecureClient, hello_of, trusting
from tests.tls.test_process import addresses, config, run

HANDSHAKES = 10_000
#: What a request may take beside the flood; alone it takes well under a millisecond.
MEDIAN_S, WORST_S = 0.05, 1.0
#: Opens connections from another address, says half a hello or all of it, and keeps them until
#: its input ends.
FLOOD = """
import resource, socket, sys
host, port, n, hello = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), bytes.fromhex(sys.argv[4])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
for i in range(n):
    s = socket.create_connection((host, port), 10, ("127.0.0.2", 0))
    try:
        s.sendall(hello if i % 2 else hello[:100])
    except OSError:
        pass
    held.append(s)
print(len(held), flush=True)
sys.stdin.read()
"""


def flood(address: tuple[str, int], hello: bytes) -> tuple[subprocess.Popen[str], int]:
    """Begin as many as descriptors allow."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    n = min(HANDSHAKES, hard - 200)
    started = subprocess.Popen(
        [sys.executable, "-c", FLOOD, address[0], str(address[1]), str(n), hello.hex()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    return started, n


@pytest.mark.plain_build
def test_established_connections_keep_their_pace(
    authority: Authority, pair: tuple[str, str], tmp_path: Path, origin: Origin
) -> None:
    """Each of their requests is answered soon, and a new client gets in."""
    file = config(tmp_path, origin, "{cert: a.pem}")
    context = trusting(authority)
    hello, *_ = hello_of(context)
    with run(tmp_path, str(file), "--workers", "1") as gateway:
        at = addresses(gateway)["https"]
        gateway.ready()
        with SecureClient(at, context) as established:
            flooding, n = flood(at, hello)
            took_s: list[float] = []
            with flooding:
                assert flooding.stdout is not None
                assert flooding.stdin is not None
                end_s = time.monotonic() + 6 * DEADLINE_S
                while not ready_to_read(flooding) or len(took_s) < 200:
                    begin_s = time.monotonic()
                    assert begin_s < end_s, "the flood takes too long"
                    assert established.send(GET).answer().status == 200
                    took_s.append(time.monotonic() - begin_s)
                    if len(took_s) % 100 == 50:
                        with SecureClient(at, context) as c:
                            assert c.send(GET).answer().status == 200
                assert int(flooding.stdout.readline()) == n
                assert established.send(GET).answer().status == 200
                flooding.stdin.close()
        took_s.sort()
        assert took_s[len(took_s) // 2] < MEDIAN_S
        assert took_s[-1] < WORST_S


def ready_to_read(process: subprocess.Popen[str]) -> bool:
    """Whether it has said something."""
    return bool(select.select([process.stdout], [], [], 0)[0])
