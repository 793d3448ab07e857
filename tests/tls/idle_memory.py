"""Run by test_memory: what an idle connection with TLS costs a gateway, in bytes."""

from __future__ import annotations

import resource
import ssl
import sys
import tempfile
from pathlib import Path

from tests.scenario.gateway import upstream
from tests.scenario.origin import Origin
from tests.tls.authority import Authority
from tests.tls.kit import GET, SecureClient, https

N = 300


def private_bytes(pid: str) -> int:
    """Memory that is a process's own."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no Private_Dirty")


def client(port: int, ca: str) -> None:
    """Another process: connect all, make a request on each, and stay until told to go."""
    context = ssl.create_default_context(cafile=ca)
    held = []
    for word in sys.stdin:
        for _ in range(int(word)):
            c = SecureClient(("127.0.0.1", port), context)
            assert c.send(GET).answer().status == 200
            held.append(c)
        print("held", flush=True)


def gateway() -> None:
    """Measure."""
    import subprocess

    with tempfile.TemporaryDirectory() as made, Origin() as origin:
        folder = Path(made)
        authority = Authority()
        cert, key = authority.issue("a.example").write(folder, "a")
        (folder / "ca.pem").write_bytes(authority.cert)
        with https(upstream(origin.address), folder, cert=cert, key=key) as gw:
            command = [sys.executable, "-m", "tests.tls.idle_memory", str(gw.address[1])]
            with subprocess.Popen(
                [*command, str(folder / "ca.pem")], stdin=-1, stdout=-1, text=True
            ) as other:
                assert other.stdin is not None
                assert other.stdout is not None
                sizes = []
                for n in (50, N):
                    other.stdin.write(f"{n}\n")
                    other.stdin.flush()
                    assert other.stdout.readline() == "held\n"
                    sizes.append(private_bytes("self"))
                print((sizes[1] - sizes[0]) // N, gw.counters()["buffer_bytes"])
                other.stdin.close()
            gw.until(lambda now: now["connections"] == 0, "closed")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if len(sys.argv) > 1:
        client(int(sys.argv[1]), sys.argv[2])
    else:
        gateway()
