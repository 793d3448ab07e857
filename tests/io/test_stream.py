"""The plain stream: reading, writing, backpressure, ends."""

from __future__ import annotations

import hashlib
import select
import socket
from pathlib import Path
from typing import Any

import pytest

from fastgw.ext.testing import io_doors
from fastgw.ext.testing.io_doors import Door, EchoAcceptor, Hoard, ProxyAcceptor
from tests.io.harness import Net, noise, packed, run, send_rst

KIB, MIB = 1 << 10, 1 << 20
FAMILIES = ["tcp", "unix"]


def path_of(family: str, tmp_path: Path) -> Path | None:
    """Where to listen."""
    return tmp_path / "s" if family == "unix" else None


# -- reading -------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_bytes_are_delivered(loop: str, family: str, tmp_path: Path) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair(path=path_of(family, tmp_path))
        await net.send(peer, b"hello")
        await net.until(lambda: door.received() == b"hello")
        if family == "tcp":
            assert door.peer == "{}:{}".format(*peer.getsockname())
            assert door.local == "{}:{}".format(*peer.getpeername())
        else:
            assert door.peer == "unix"
        assert door.bytes_in == 5

    run(loop, test)


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_everything_comes_back_from_an_echo(
    loop: str, family: str, bulk: bool, tmp_path: Path
) -> None:
    async def test(net: Net) -> None:
        acceptor = EchoAcceptor()
        acceptor.bulk = bulk
        address = net.listen(acceptor, path=path_of(family, tmp_path))
        peer = await net.peer(address)
        sent = noise(6 * MIB + 123)
        sending = net.loop.create_task(net.send(peer, sent))
        got = await net.recv(peer, len(sent))
        await sending
        assert hashlib.sha256(got).digest() == hashlib.sha256(sent).digest()
        peer.shutdown(socket.SHUT_WR)
        assert await net.recv_all(peer) == b""

    run(loop, test)


def test_bulk_bodies_arrive_in_counted_buffers(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        door.pause()
        door.set_bulk(True)
        sent = noise(MIB)
        sending = net.loop.create_task(net.send(peer, sent))
        await net.until(lambda: door.has("readable"))
        door.resume()
        await net.until(lambda: len(door.received()) == MIB)
        await sending
        assert door.received() == sent
        assert "counted" in [n for n, _ in door.events]
        # A trickle is lent: nobody may hold 64 KiB for a few bytes.
        del door.events[:]
        for i in range(4):
            await net.send(peer, b"drop")
            await net.received(door, 4 * (i + 1))
        assert {n for n, _ in door.events} == {"bytes"}

    run(loop, test)


def test_a_paused_stream_delivers_nothing(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        door.pause()
        await net.send(peer, b"one")
        await net.until(lambda: door.has("readable"))
        assert door.received() == b""
        door.resume()
        assert door.received() == b"", "resume must not deliver from inside the call"
        await net.until(lambda: door.received() == b"one")

    run(loop, test)


def test_pausing_inside_a_delivery(loop: str) -> None:
    """Of a large amount only what was in hand is delivered after a pause."""

    async def test(net: Net) -> None:
        door, peer = await net.pair(lambda d, n, v: d.pause() if n == "bytes" else None)
        door.pause()
        sent = noise(256 * KIB)
        sending = net.loop.create_task(net.send(peer, sent))
        for _ in range(1000):
            before = len(door.received())
            await net.until(lambda: door.has("readable"))
            assert len(door.received()) == before
            door.resume()
            await net.received(door, before + 1)
            assert len(door.received()) - before <= 64 * KIB
            if len(door.received()) == len(sent):
                break
        await sending
        assert door.received() == sent

    run(loop, test)


def test_one_stream_can_not_take_the_whole_turn(loop: str) -> None:
    """A flood is read in shares, between which another stream gets its turn."""

    async def test(net: Net) -> None:
        shares: list[tuple[int, int]] = []
        flooded, peer = await net.pair(
            lambda d, n, v: shares.append((net.engine.turns, len(v))) if n == "bytes" else None
        )
        flooded.pause()
        sending = net.loop.create_task(net.send(peer, noise(8 * MIB)))
        await net.until(lambda: flooded.has("readable"))
        await net.turns(50)
        flooded.resume()
        await sending
        await net.until(lambda: flooded.bytes_in == 8 * MIB)
        a_turn: dict[int, int] = {}
        for turn, n in shares:
            a_turn[turn] = a_turn.get(turn, 0) + n
        assert max(a_turn.values()) <= 256 * KIB
        assert len(a_turn) >= 8 * MIB // (256 * KIB)

    run(loop, test)


# -- writing -------------------------------------------------------------------------------


def test_a_write_outside_of_a_turn_goes_out_by_itself(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        await net.turns(10)
        door.write(b"from Python")
        assert door.queued == 11
        assert await net.recv(peer, 11) == b"from Python"
        assert door.queued == 0

    run(loop, test)


def test_one_sendmsg_a_turn(loop: str) -> None:
    def many(door: Door, name: str, value: Any) -> None:
        if name == "bytes":
            for i in range(20):
                door.write(b"lent %2d " % i)
                door.write(b"c" * 2000, counted=True)
                door.put(b"in place")

    async def test(net: Net) -> None:
        _, peer = await net.pair(many)
        before = net.engine.sends
        await net.send(peer, b"go")
        got = await net.recv(peer, 20 * 2016)
        assert got == b"".join(b"lent %2d " % i + b"c" * 2000 + b"in place" for i in range(20))
        assert net.engine.sends == before + 1

    run(loop, test)


def test_never_two_sendmsg_in_one_turn(loop: str) -> None:
    """What is written after a stream was flushed waits for the next turn."""

    async def test(net: Net) -> None:
        out, peer = await net.pair()
        source, source_peer = await net.pair(lambda d, n, v: out.write(v) if n == "bytes" else None)
        source.pause()
        await net.send(source_peer, b"second")
        await net.until(lambda: source.has("readable"))
        sends, turns = net.engine.sends, net.engine.turns
        out.write(b"first ")
        source.resume()  # is read after `out` was flushed, in the same turn
        assert await net.recv(peer, 12) == b"first second"
        assert net.engine.sends == sends + 2
        assert net.engine.turns >= turns + 2

    run(loop, test)


def test_writes_of_one_turn_are_gathered(loop: str) -> None:
    async def test(net: Net) -> None:
        a, peer = await net.pair()
        for _ in range(50):
            a.write(b"x" * 10)
            a.write(b"y" * 3000, counted=True)
        before = net.engine.sends
        assert len(await net.recv(peer, 50 * 3010)) == 50 * 3010
        assert net.engine.sends == before + 1
        assert a.slots == 4, "the ring's memory is given back"

    run(loop, test)


def test_a_turn_writes_at_most_256_kib(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        sent = noise(MIB)
        for at in range(0, MIB, 64 * KIB):
            door.write(sent[at : at + 64 * KIB], counted=True)
        net.engine.rounds = 1
        net.engine.run()
        assert door.bytes_out == 256 * KIB
        net.engine.run()
        assert door.bytes_out == 512 * KIB
        net.engine.rounds = 8
        assert await net.recv(peer, MIB) == sent

    run(loop, test)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stalled_reader_gets_every_byte(loop: str, family: str, tmp_path: Path) -> None:
    """Pieces of every kind wait while the peer does not read; freed buffers are poisoned."""

    async def test(net: Net) -> None:
        door, peer = await net.pair(path=path_of(family, tmp_path))
        expected = bytearray()
        blocks = [noise(n) for n in (1, 7, 700, 1023, 1024, 5000, 65536, 100_000, 262144)]
        for round_ in range(12):
            for i, block in enumerate(blocks):
                kind = (round_ + i) % 3
                if kind == 0:
                    door.write(block)
                elif kind == 1:
                    door.write(block, counted=True)
                else:
                    door.put(block, len(block) + 100)
                expected += block
            await net.turns(2)  # some of it is flushed in between
        assert door.has("blocked")
        held = io_doors.pool_of(net.engine).in_use
        assert held >= door.queued
        assert await net.recv(peer, len(expected)) == bytes(expected)
        await net.until(lambda: door.queued == 0)
        assert not door.has("blocked")
        assert io_doors.pool_of(net.engine).in_use == 0

    run(loop, test)


def test_a_proxied_stall_brakes_the_sender(loop: str) -> None:
    """Backpressure from end to end: a reader that stalls stops the far sender."""

    async def test(net: Net) -> None:
        sink, sink_doors = net.listen_doors()
        address = net.listen(ProxyAcceptor(net.engine, packed(sink)))
        peer = await net.peer(address)
        await net.until(lambda: bool(sink_doors.doors))
        far = sink_doors.doors[0]
        far.pause()
        sent = noise(16 * MIB)
        sending = net.loop.create_task(net.send(peer, sent))
        await net.until(lambda: far.has("readable"))
        last = -1
        while last != net.engine.receives:  # until nothing moves any more
            last = net.engine.receives
            await net.turns(200)
        assert not sending.done()
        assert io_doors.pool_of(net.engine).in_use < MIB
        far.resume()
        await sending
        await net.until(lambda: far.bytes_in == len(sent))
        assert far.received() == sent

    run(loop, test)


def test_the_mark_says_no_room_and_then_room_once(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        await net.turns(5)
        answers: list[bool] = []
        sent = 0
        while len(answers) < 1000 and (not answers or answers[-1]):
            answers.append(door.write(b"z" * 8192))
            sent += 8192
        assert answers == [True] * 31 + [False]
        while not door.has("blocked"):
            door.write(b"z" * 65536)
            sent += 65536
            await net.turns(2)
        assert door.write(b"") is True
        del door.events[:]
        assert door.write(b"z" * 262144) is False
        sent += 262144
        queued: list[int] = []
        door.reply = lambda d, n, v: queued.append(d.queued) if n == "room" else None
        assert len(await net.recv(peer, sent)) == sent
        assert len(queued) == 1
        assert queued[0] < door.mark // 2

    run(loop, test)


def test_out_of_memory_ends_the_stream(loop: str) -> None:
    async def test(net: Net) -> None:
        door, _ = await net.pair()
        io_doors.limit_pool(net.engine, 8192, 8192)
        assert door.write(b"x" * 10_000) is False
        assert door.names() == ["accepted"], "never told from inside the call"
        await net.until(lambda: "gone" in door.names())
        assert door.events[-1] == ("gone", "memory")

    run(loop, test)


def test_reading_a_body_waits_for_memory(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair()
        io_doors.limit_pool(net.engine, MIB, MIB // 2)
        hoard = Hoard(net.engine, 600 * KIB)
        door.set_bulk(True)
        await net.send(peer, b"a" * 50_000)
        await net.until(lambda: door.has("starved"))
        assert door.received() == b""
        hoard.give_back()
        await net.until(lambda: len(door.received()) == 50_000)
        assert not door.has("starved")

    run(loop, test)


def test_an_idle_stream_holds_no_buffer(loop: str) -> None:
    async def test(net: Net) -> None:
        door, peer = await net.pair(lambda d, n, v: d.write(v) if n == "bytes" else None)
        for size in (10, 3000, 100_000, 20):
            sent = noise(size)
            await net.send(peer, sent)
            assert await net.recv(peer, size) == sent
            await net.until(lambda: door.queued == 0)
            assert not door.has_tail
            assert door.slots == 4
            assert io_doors.pool_of(net.engine).in_use == 0

    run(loop, test)


def test_tcp_keeps_epollout_once_it_was_needed_and_unix_takes_it_back(
    loop: str, tmp_path: Path
) -> None:
    async def test(net: Net) -> None:
        for path, kept in ((None, select.EPOLLOUT), (tmp_path / "s", 0)):
            door, peer = await net.pair(path=path)
            assert not door.interest & select.EPOLLOUT
            sent = 0
            while not door.has("blocked"):
                door.write(b"z" * 65536)
                sent += 65536
                await net.turns(2)
            assert door.interest & select.EPOLLOUT
            await net.recv(peer, sent)
            await net.flushed(door)
            assert door.interest & select.EPOLLOUT == kept

    run(loop, test)


def test_a_hundred_interleaved_connections(loop: str) -> None:
    async def test(net: Net) -> None:
        sink = net.listen(EchoAcceptor())
        address = net.listen(ProxyAcceptor(net.engine, packed(sink)))
        peers = [await net.peer(address) for _ in range(100)]
        sent = [b"".join(b"%d:%d;" % (i, j) * 50 for j in range(60)) for i in range(100)]

        async def one(i: int) -> None:
            for at in range(0, len(sent[i]), 3001):
                part = sent[i][at : at + 3001]
                await net.send(peers[i], part)
                assert await net.recv(peers[i], len(part)) == part

        tasks = [net.loop.create_task(one(i)) for i in range(100)]
        for task in tasks:
            await net.within(task, 30)

    run(loop, test)


# -- the end -------------------------------------------------------------------------------


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
