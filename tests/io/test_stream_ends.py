"""The plain stream: half-closes, resets, aborts, and what is told of them."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from fastgw.ext.testing import io_doors
from fastgw.ext.testing.io_doors import Door
from tests.io.harness import Net, noise, run, send_rst

KIB, MIB = 1 << 10, 1 << 20
FAMILIES = ["tcp", "unix"]


def path_of(family: str, tmp_path: Path) -> Path | None:
    """Where to listen."""
    return tmp_path / "s" if family == "unix" else None


@pytest.mark.parametrize("family", FAMILIES)
def test_the_peer_half_closes_and_is_answered(loop: str, family: str, tmp_path: Path) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair(path=path_of(family, tmp_path))
        await net.send(peer, b"question")
        peer.shutdown(socket.SHUT_WR)
        await net.until(lambda: "eof" in door.names())
        assert door.received() == b"question"
        assert door.names() == ["accepted", "eof"], "read at once: no word of a half-close"
        door.write(b"answer")
        door.close()
        assert await net.recv_all(peer) == b"answer"
        await net.until(lambda: door.events[-1] == ("gone", "none"))

    run(loop, test)


@pytest.mark.parametrize("family", FAMILIES)
def test_we_half_close_and_go_on_reading(loop: str, family: str, tmp_path: Path) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair(path=path_of(family, tmp_path))
        sent = noise(2 * MIB)
        door.write(sent, counted=True)
        door.half_close()
        assert door.write(b"dropped") is True
        assert await net.recv_all(peer) == sent
        await net.send(peer, b"still here")
        await net.until(lambda: door.received() == b"still here")
        peer.close()
        await net.until(lambda: "eof" in door.names())
        assert "gone" not in door.names(), "its codec decides when to close"
        door.close()

    run(loop, test)


def test_a_fin_while_paused(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        door.pause()
        await net.send(peer, b"last words")
        peer.shutdown(socket.SHUT_WR)
        await net.until(lambda: "half_closed" in door.names())
        assert door.received() == b""
        door.resume()
        await net.until(lambda: "eof" in door.names())
        assert door.received() == b"last words"
        assert door.names() == ["accepted", "half_closed", "eof"]

    run(loop, test)


def test_a_fin_behind_much_unread_data(loop: str) -> None:
    """The FIN is told early, and the end only after everything before it."""

    async def test(net: Net) -> None:
        door, peer = await net.pair()
        door.pause()
        sent = noise(300 * KIB)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MIB)
        sending = net.loop.create_task(net.send(peer, sent))
        await net.until(lambda: door.has("readable"))
        door.resume()
        await sending
        peer.shutdown(socket.SHUT_WR)
        await net.until(lambda: "eof" in door.names())
        assert door.received() == sent
        assert door.events[-1][0] == "eof"

    run(loop, test)


def test_an_exact_read_does_not_hide_the_fin(loop: str) -> None:
    """Bytes and FIN in one event: the short read must not pass for a drained socket."""

    async def test(net: Net) -> None:
        address, acceptor = net.listen_doors()
        net.listeners[0].pause()
        peer = await net.peer(address)
        await net.send(peer, b"all at once")
        peer.shutdown(socket.SHUT_WR)
        net.listeners[0].resume()
        await net.until(lambda: bool(acceptor.doors) and "eof" in acceptor.doors[0].names())
        assert acceptor.doors[0].received() == b"all at once"

    run(loop, test)


@pytest.mark.parametrize("paused", [False, True])
def test_a_reset_is_told_once(loop: str, paused: bool) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        if paused:
            door.pause()
        await net.turns()
        send_rst(peer)
        await net.until(lambda: "gone" in door.names())
        assert door.events[-1] == ("gone", "client_reset")
        assert door.has("closed")
        door.write(b"ignored")
        assert door.put(b"ignored") is False
        door.pause()
        door.resume()
        door.half_close()
        door.close()
        door.reset()
        await net.turns(5)
        assert door.names().count("gone") == 1
        assert door.queued == 0

    run(loop, test)


def test_what_came_before_a_reset_is_read_first(loop: str) -> None:
    async def test(net: Net) -> None:
        address, acceptor = net.listen_doors()
        net.listeners[0].pause()
        peer = await net.peer(address)
        await net.send(peer, b"x" * 100_000)
        send_rst(peer)
        net.listeners[0].resume()
        await net.until(lambda: bool(acceptor.doors) and "gone" in acceptor.doors[0].names())
        door = acceptor.doors[0]
        assert door.received() == b"x" * 100_000
        assert door.names() == ["accepted", "half_closed", "gone"] or door.names() == [
            "accepted",
            "gone",
        ]
        assert door.events[-1] == ("gone", "client_reset")

    run(loop, test)


def test_an_answer_before_a_reset_counts_if_asked_for(loop: str) -> None:
    """`drain_first`: while paused, the reset waits until what was received is read."""

    async def test(net: Net) -> None:
        door, peer = await net.pair()
        door.pause()
        door.drain_first()
        await net.send(peer, b"early answer")
        send_rst(peer)
        await net.until(lambda: "half_closed" in door.names())
        await net.turns(10)
        assert "gone" not in door.names()
        door.resume()
        await net.until(lambda: "gone" in door.names())
        assert door.received() == b"early answer"

    run(loop, test)


def test_writing_to_a_peer_that_closed(loop: str) -> None:
    """The kernel's refusal ends the stream, after what the peer had said was delivered."""

    async def test(net: Net) -> None:
        door, peer = await net.pair()
        door.pause()
        await net.send(peer, b"goodbye")
        peer.shutdown(socket.SHUT_WR)
        await net.until(lambda: "half_closed" in door.names())
        door.resume()
        await net.until(lambda: "eof" in door.names())
        peer.close()
        door.write(b"one")  # answered by an RST
        await net.until(lambda: "gone" in door.names() or bool(door.write(b"two")) is None)
        assert door.received() == b"goodbye"
        assert door.events[-1] == ("gone", "client_reset")

    run(loop, test)


def test_a_reset_met_by_a_write_is_not_taken_for_an_end(loop: str) -> None:
    """The failed send consumes the socket's error; what recv then says looks like a FIN."""

    async def test(net: Net) -> None:
        door, peer = await net.pair()
        await net.turns(10)

        def break_it(_: Door, name: str, value: Any) -> None:
            if name == "bytes":  # inside a turn, whose events are collected already
                send_rst(peer)
                door.write(b"too late")

        _, trigger = await net.pair(break_it)
        await net.send(trigger, b"now")
        await net.told(door, "gone")
        assert door.names() == ["accepted", "gone"]
        assert door.events[-1] == ("gone", "client_reset")

    run(loop, test)


def test_a_unix_peer_that_closed_is_gone(loop: str, tmp_path: Path) -> None:
    """Nothing can be written to it any more, so `eof` alone would say too little."""

    async def test(net: Net) -> None:
        door, peer = await net.pair(path=tmp_path / "s")
        await net.turns()
        peer.close()
        await net.until(lambda: "gone" in door.names())
        assert door.names() == ["accepted", "eof", "gone"]

    run(loop, test)


def test_a_peer_that_takes_nothing_for_the_user_timeout(loop: str) -> None:
    """TCP_USER_TIMEOUT counts a closed window as well as lost acknowledgements."""

    async def test(net: Net) -> None:
        address, acceptor = net.listen_doors(user_timeout_ms=300)
        await net.peer(address, rcvbuf=4096)
        await net.until(lambda: bool(acceptor.doors))
        door = acceptor.doors[0]
        door.write(noise(4 * MIB), counted=True)
        await net.told(door, "gone")
        assert door.events[-1] == ("gone", "client_stalled")

    run(loop, test)


def test_abort_drops_what_is_queued(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        while not door.has("blocked"):
            door.write(b"z" * 262144, counted=True)
            await net.turns(2)
        door.abort()
        assert door.queued == 0
        assert "gone" not in door.names()
        await net.until(lambda: door.events[-1] == ("gone", "none"))
        assert io_doors.pool_of(net.engine).in_use == 0
        await net.recv_all(peer)

    run(loop, test)


def test_reset_sends_an_rst(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        door.reset()
        with pytest.raises(ConnectionResetError):
            await net.recv(peer, 1)

    run(loop, test)


def test_close_waits_for_the_queue(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        sent = noise(8 * MIB)
        for at in range(0, len(sent), 262144):
            door.write(sent[at : at + 262144], counted=True)
        door.close()
        assert await net.recv_all(peer) == sent
        await net.until(lambda: door.events[-1] == ("gone", "none"))

    run(loop, test)


def test_a_closing_stream_notices_a_reset(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        while not door.has("blocked"):
            door.write(b"z" * 262144, counted=True)
            await net.turns(2)
        door.close()
        await net.turns()
        send_rst(peer)
        await net.until(lambda: "gone" in door.names())
        assert door.events[-1] == ("gone", "client_reset")

    run(loop, test)


@pytest.mark.parametrize("how", ["abort", "close", "reset"])
@pytest.mark.parametrize("bulk", [False, True])
def test_ending_inside_a_delivery(loop: str, how: str, bulk: bool) -> None:
    """Nothing is delivered after it, and the stream does not touch what is gone."""

    def end(door: Door, name: str, value: Any) -> None:
        if name in ("bytes", "counted"):
            door.write(value)
            getattr(door, how)()

    async def test(net: Net) -> None:
        door, peer = await net.pair(end)
        door.set_bulk(bulk)
        door.pause()
        await net.send(peer, b"x" * 200_000)
        await net.until(lambda: door.has("readable"))
        door.resume()
        await net.until(lambda: "gone" in door.names())
        assert len([n for n, _ in door.events if n in ("bytes", "counted")]) == 1
        assert door.events[-1] == ("gone", "none")

    run(loop, test)
