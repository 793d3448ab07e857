"""Request ids are UUIDv7 (RFC 9562 section 5.7)."""

from __future__ import annotations

import uuid

from fastgw.ext.testing.cost import request_id


def test_ids_are_version_7_of_their_time_and_differ() -> None:
    now = 0x0123456789AB
    ids = [request_id(now) for _ in range(1000)]
    assert len(set(ids)) == 1000
    for text in ids:
        one = uuid.UUID(text)
        assert str(one) == text
        assert one.version == 7 and one.variant == uuid.RFC_4122 and one.int >> 80 == now


def test_every_random_bit_takes_both_values() -> None:
    ids = [uuid.UUID(request_id(0)).int for _ in range(500)]
    fixed = (0xF << 76) | (0b11 << 62)
    both = 0
    for one in ids:
        both |= one ^ ids[0]
    assert both == ((1 << 80) - 1) & ~fixed
