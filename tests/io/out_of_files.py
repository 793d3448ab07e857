"""Run by test_listener: a process whose descriptors run out while clients come."""

from __future__ import annotations

import os
import resource
import time

from fastgw.ext.testing.io_doors import EchoAcceptor
from tests.io.harness import Net, run


async def scenario(net: Net) -> None:
    """Fill the table of descriptors, see the listener wait, make room, see all served."""
    address = net.listen(EchoAcceptor())
    peers = [await net.peer(address) for _ in range(10)]
    await net.until(lambda: net.limit.current == 10)
    late = [await net.peer(address) for _ in range(5)]  # accepted, too
    await net.until(lambda: net.limit.current == 15)
    net.listeners[0].pause()
    late += [await net.peer(address) for _ in range(5)]
    filler = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    while True:
        try:
            filler.append(os.dup(0))
        except OSError:
            break
    net.listeners[0].resume()
    await net.until(lambda: net.listeners[0].no_files > 0)
    assert not net.listeners[0].accepting
    print("stopped")
    assert net.logged[0][0] == "no_files"
    print("logged")
    # It tries again a few times a second, and does not spin.
    before, began = net.listeners[0].no_files, time.monotonic()
    await net.until(lambda: net.listeners[0].no_files >= before + 2)
    assert time.monotonic() - began > 0.15
    assert len(net.logged) <= 2
    print("idle")
    for fd in filler:
        os.close(fd)
    for peer in [*peers, *late]:
        await net.send(peer, b"hello")
        assert await net.recv(peer, 5) == b"hello"
    print("served")


if __name__ == "__main__":
    run("uvloop", scenario)
