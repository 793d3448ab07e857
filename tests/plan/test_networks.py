"""Networks as ranges."""

from __future__ import annotations

import pytest

from fastgw.plan import PlanError
from fastgw.plan.networks import address_ranges, ranges_meet

V4 = 0xFFFF << 32


def test_ranges_are_merged_and_in_order() -> None:
    found = address_ranges(frozenset({"10.0.1.0/24", "10.0.0.0/24", "10.0.0.5", "::1", "1.2.3.4"}))
    assert found == (
        (1, 1),
        (V4 + 0x01020304, V4 + 0x01020304),
        (V4 + 0x0A000000, V4 + 0x0A0001FF),
    )


def test_no_ipv6_network_holds_ipv4() -> None:
    assert address_ranges(frozenset({"::/0"})) == (
        (0, V4 - 1),
        (V4 + (1 << 32), (1 << 128) - 1),
    )
    assert address_ranges(frozenset({"::/0", "0.0.0.0/0"})) == ((0, (1 << 128) - 1),)


def test_what_is_no_network_is_said() -> None:
    for text in ("10.0.0.1/8", "x", "10.0.0.0/33"):
        with pytest.raises(PlanError, match="clients: "):
            address_ranges(frozenset({text}))


def test_meeting() -> None:
    assert ranges_meet(["10.0.0.0/8"], ["10.255.255.255"])
    assert not ranges_meet(["10.0.0.0/8"], ["11.0.0.0/8", "::/64"])
    assert not ranges_meet(["::/0"], ["1.2.3.4"])
    assert ranges_meet(["::/0"], ["::ffff:1.2.3.4", "2001:db8::/32"])
