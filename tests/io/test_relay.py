"""Bodies that pass from socket to socket through a pipe."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from fastgw.ext.io.relay import PipeRelays
from fastgw.ext.testing.io_doors import Door
from tests.io.harness import Net, noise, run, send_rst

MIB = 1 << 20
ALL = (1 << 64) - 1


async def two(net: Net) -> tuple[Door, socket.socket, Door, socket.socket]:
    """An origin's connection and a client's: (door, peer) of each."""
    PipeRelays().serve(net.engine)
    upstream, origin = await net.pair()
    downstream, client = await net.pair()
    return upstream, origin, downstream, client


def relayed(door: Door) -> list[Any]:
    """What was told of the relay."""
    return [v for n, v in door.events if n == "relayed"]


def test_exactly_n_bytes_pass_and_the_rest_is_delivered(loop: str) -> None:
    async def test(net: Net) -> None:
        upstream, origin, downstream, client = await two(net)
        body = noise(3 * MIB + 17)
        downstream.write(b"head")
        assert upstream.relay(downstream, len(body)) is True
        sending = net.loop.create_task(net.send(origin, body + b"next head"))
        got = await net.recv(client, 4 + len(body))
        await sending
        assert got == b"head" + body
        await net.until(lambda: upstream.received() == b"next head")
        told = relayed(upstream)
        assert sum(n for n, _ in told) == len(body)
        assert [done for _, done in told] == [False] * (len(told) - 1) + [True]
        assert not upstream.has("relaying")
        assert "counted" not in [n for n, _ in upstream.events]
        downstream.write(b"tail")
        assert await net.recv(client, 4) == b"tail"

    run(loop, test)


def test_a_relay_does_not_overtake_what_is_queued(loop: str) -> None:
    """More is queued than a turn writes, and the body is there already."""

    async def test(net: Net) -> None:
        upstream, origin, downstream, client = await two(net)
        upstream.pause()
        await net.send(origin, b"body")
        await net.until(lambda: upstream.has("readable"))
        before = noise(600_000)
        downstream.write(before, counted=True)
        assert upstream.relay(downstream, 4)
        upstream.resume()
        assert await net.recv(client, len(before) + 4) == before + b"body"

    run(loop, test)


def test_a_stalled_reader_brakes_the_origin(loop: str) -> None:
    async def test(net: Net) -> None:
        upstream, origin, downstream, client = await two(net)
        body = noise(24 * MIB)
        assert upstream.relay(downstream, len(body))
        sending = net.loop.create_task(net.send(origin, body))
        last = -1
        while last != net.engine.receives:
            last = net.engine.receives
            await net.turns(300)
        assert not sending.done()
        assert await net.recv(client, len(body)) == body
        await sending
        assert sum(n for n, _ in relayed(upstream)) == len(body)

    run(loop, test)


def test_a_relay_ends_with_its_source(loop: str) -> None:
    async def test(net: Net) -> None:
        upstream, origin, downstream, client = await two(net)
        assert upstream.relay(downstream, ALL)
        await net.send(origin, b"all there is")
        origin.shutdown(socket.SHUT_WR)
        await net.until(lambda: "eof" in upstream.names())
        names = [n for n in upstream.names() if n != "half_closed"]
        assert names[-2:] == ["relayed", "eof"]
        assert relayed(upstream)[-1][1] is True
        assert upstream.relayed == len(b"all there is")
        downstream.close()
        assert await net.recv_all(client) == b"all there is"

    run(loop, test)


def test_a_source_that_resets(loop: str) -> None:
    async def test(net: Net) -> None:
        upstream, origin, downstream, client = await two(net)
        assert upstream.relay(downstream, ALL)
        await net.send(origin, b"some")
        assert await net.recv(client, 4) == b"some"
        send_rst(origin)
        await net.until(lambda: "gone" in upstream.names())
        assert relayed(upstream)[-1][1] is True
        assert "gone" not in downstream.names()
        downstream.write(b"error page")
        assert await net.recv(client, 10) == b"error page"

    run(loop, test)


@pytest.mark.parametrize("how", ["rst", "abort"])
def test_a_target_that_is_gone(loop: str, how: str) -> None:
    """The source is told that the relay is over, and can be read again."""

    async def test(net: Net) -> None:
        upstream, origin, downstream, client = await two(net)
        body = noise(24 * MIB)
        assert upstream.relay(downstream, len(body))
        sending = net.loop.create_task(net.send(origin, body))
        await net.until(lambda: downstream.has("blocked"))
        if how == "rst":
            send_rst(client)
        else:
            downstream.abort()
            assert relayed(upstream) == [] or relayed(upstream)[-1][1] is False
        await net.until(lambda: "gone" in downstream.names())
        await net.until(lambda: bool(relayed(upstream)) and relayed(upstream)[-1][1])
        assert upstream.relayed < len(body)
        await net.until(lambda: len(upstream.received()) > 0)
        await sending
        assert "gone" not in upstream.names()

    run(loop, test)


def test_a_source_that_is_aborted(loop: str) -> None:
    async def test(net: Net) -> None:
        upstream, origin, downstream, client = await two(net)
        assert upstream.relay(downstream, ALL)
        await net.send(origin, b"x")
        assert await net.recv(client, 1) == b"x"
        upstream.abort()
        await net.until(lambda: upstream.events[-1] == ("gone", "none"))
        downstream.write(b"free again")
        assert await net.recv(client, 10) == b"free again"

    run(loop, test)


def test_pipes_are_bounded_and_used_again(loop: str) -> None:
    async def test(net: Net) -> None:
        upstream, origin, downstream, client = await two(net)
        relays = PipeRelays(1)
        relays.serve(net.engine)
        for _ in range(3):
            assert upstream.relay(downstream, 5)
            assert not upstream.relay(downstream, 5), "one at a time"
            await net.send(origin, b"12345")
            assert await net.recv(client, 5) == b"12345"
            await net.until(lambda: not upstream.has("relaying"))
        assert (relays.begun, relays.busy, relays.spares) == (3, 0, 1)
        busy, _ = await net.pair()
        assert busy.relay(downstream, 5)
        assert not upstream.relay(busy, 5), "no pipe left"

    run(loop, test)


def test_not_offered_without_pipes(loop: str) -> None:
    async def test(net: Net) -> None:
        upstream, _ = await net.pair()
        downstream, _ = await net.pair()
        assert upstream.relay(downstream, 10) is False

    run(loop, test)
