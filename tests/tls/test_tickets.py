"""Keys of session tickets: turned by themselves, shared by every worker."""

from __future__ import annotations

import mmap
import os
import time

import pytest

from fastgw.ext.io.tls.tickets import RING_BYTES, TicketKeys, make_ring
from fastgw.tls.tickets import NodeTickets


def test_a_fresh_ring_has_one_key() -> None:
    keys = NodeTickets().keys()
    assert len(keys.names()) == 1
    assert keys.names()[0] != bytes(16)


def test_two_old_keys_still_open() -> None:
    keys = NodeTickets().keys()
    seen = [keys.names()[0]]
    for _ in range(5):
        keys.turn_now()
        seen.insert(0, keys.names()[0])
        assert keys.names() == seen[:3]
    assert len(set(seen)) == 6


def test_what_another_process_turns_is_seen() -> None:
    ring = NodeTickets().memory
    mine = TicketKeys(ring)
    before = mine.names()
    pid = os.fork()
    if pid == 0:
        TicketKeys(ring).turn_now()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert mine.names()[1:] == before


def test_who_dies_turning_does_not_stop_it() -> None:
    """The claim of a process that is gone counts for ten seconds."""
    ring = NodeTickets().memory
    keys = TicketKeys(ring)
    at = RING_BYTES - 4 * 88 - 8
    ring[at : at + 8] = int(time.time()).to_bytes(8, "little")
    keys.turn_now()
    assert len(keys.names()) == 1
    ring[at : at + 8] = (int(time.time()) - 11).to_bytes(8, "little")
    keys.turn_now()
    assert len(keys.names()) == 2


def test_keys_of_a_file() -> None:
    content = os.urandom(240)
    ring = bytearray(RING_BYTES)
    make_ring(ring, content)
    keys = TicketKeys(ring)
    assert keys.names() == [content[0:16], content[80:96], content[160:176]]
    keys.turn_now()
    assert keys.names()[0] == content[:16]


@pytest.mark.parametrize("n", [1, 79, 81, 320])
def test_not_a_file_of_keys(n: int) -> None:
    with pytest.raises(ValueError, match=f"{n} bytes of ticket keys"):
        make_ring(bytearray(RING_BYTES), bytes(n))


def test_not_a_ring() -> None:
    with pytest.raises(ValueError, match="not a ring"):
        TicketKeys(mmap.mmap(-1, RING_BYTES))
    with pytest.raises(ValueError, match="takes"):
        make_ring(bytearray(8))
