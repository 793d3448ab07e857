"""New connections go to the sockets that they are steered to, handshakes stay where they began."""

from __future__ import annotations

import select
import socket

import pytest

from fastgw.master.addresses import bind_all
from fastgw.master.heartbeat import LATE_S, LOOK_S, Watch
from fastgw.master.steering import Steering, program, refuse_new


def waiting(sockets: list[socket.socket]) -> list[int]:
    """Which of them has somebody in its queue."""
    ready, _, _ = select.select(sockets, [], [], 5)
    found = []
    for s in ready:
        s.accept()[0].close()
        found.append(sockets.index(s))
    return found


def test_connections_go_to_those_who_serve() -> None:
    listening = bind_all(["127.0.0.1:0"], 3)
    (bound,) = listening.bound
    assert bound.steering is not None
    for serving in ({1}, {2}, {0, 2}):
        assert bound.steering.steer(bound.sockets[0], serving) == ""
        got = set()
        for _ in range(20):
            with socket.create_connection(bound.sockets[0].getsockname(), 5):
                got |= set(waiting(bound.sockets))
        assert got == serving
    listening.close()


def test_order_follows_a_socket_that_is_closed() -> None:
    """The last one takes the index of the one that is gone, as the kernel has it."""
    listening = bind_all(["127.0.0.1:0"], 4)
    (bound,) = listening.bound
    assert bound.steering is not None
    address = bound.sockets[0].getsockname()
    bound.sockets[1].close()
    bound.steering.removed(1)
    bound.steering.moved()
    assert bound.steering.order == [0, 3, 2]
    left = [bound.sockets[i] for i in (0, 2, 3)]
    for slot in (0, 2, 3):
        assert bound.steering.steer(left[0], {slot}) == ""
        with socket.create_connection(address, 5):
            assert [left[i] for i in waiting(left)] == [bound.sockets[slot]]
    listening.close()


def test_nobody_left_means_everybody() -> None:
    assert program([0])[-1] == (0x06, 0, 0, 0)
    listening = bind_all(["127.0.0.1:0"], 2)
    (bound,) = listening.bound
    assert bound.steering is not None
    assert bound.steering.steer(bound.sockets[0], {0}) == ""
    assert bound.steering.steer(bound.sockets[0], set()) == ""
    got = set()
    for _ in range(40):
        with socket.create_connection(bound.sockets[0].getsockname(), 5):
            got |= set(waiting(bound.sockets))
    assert got == {0, 1}
    listening.close()


def test_kernel_that_refuses_is_asked_once() -> None:
    steering = Steering([0, 1])
    with socket.socket(socket.AF_UNIX) as wrong:
        wrong.close()
        assert steering.steer(wrong, {0}) == "EBADF"
        assert not steering.works
        assert steering.steer(wrong, {1}) == ""


def test_closing_address_finishes_what_has_begun() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address, 5) as begun:
            assert refuse_new(listener)
            with pytest.raises(TimeoutError):
                socket.create_connection(address, 0.3)
            accepted, _ = listener.accept()
            begun.sendall(b"x")
            assert accepted.recv(1) == b"x"
            accepted.close()


def test_silence_counts_only_while_the_master_runs() -> None:
    watch = Watch(100.0)
    assert watch.silent_s(1, 5) == 0
    for i in range(1, 5):
        watch.advance(100.0 + i * LOOK_S)
    assert watch.silent_s(1, 5) == pytest.approx(4 * LOOK_S)
    watch.advance(160.0)
    assert watch.silent_s(1, 5) == pytest.approx(5 * LOOK_S + LATE_S)
    assert watch.silent_s(1, 6) == 0
