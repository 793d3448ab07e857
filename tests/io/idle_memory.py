"""Run by test_memory: what idle connections cost a process, in bytes each."""

from __future__ import annotations

import gc
import resource
from pathlib import Path

from fastgw.ext.testing import io_doors
from fastgw.ext.testing.io_doors import EchoAcceptor, ProxyAcceptor
from tests.io.harness import Net, packed, run

N = 2000


def private_bytes() -> int:
    """Memory that is this process's own."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no Private_Dirty")


async def scenario(net: Net) -> None:
    """Connect all while nobody accepts; then accept, use and idle, and see what it took."""
    sink = net.listen(EchoAcceptor(), backlog=4096)
    address = net.listen(ProxyAcceptor(net.engine, packed(sink)), backlog=4096)
    warm = await net.peer(address)
    await net.send(warm, b"x" * 5000)
    await net.recv(warm, 5000)
    net.listeners[1].pause()
    peers = [await net.peer(address) for _ in range(N)]
    gc.collect()
    before = private_bytes()
    net.listeners[1].resume()
    for peer in peers:
        await net.send(peer, b"x" * 5000)
    for peer in peers:
        await net.recv(peer, 5000)
    await net.turns(20)
    gc.collect()
    assert net.limit.current == 2 * (N + 1)
    # A pair is three streams here: the proxy's two, and the sink's.
    print((private_bytes() - before) // (3 * N), io_doors.pool_of(net.engine).in_use)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    run("uvloop", scenario)
