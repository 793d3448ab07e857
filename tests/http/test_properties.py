"""What holds for any bytes: splits change nothing, normalising twice changes nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastgw.ext.testing.http_doors import (
    Chunked,
    chunk_header,
    normalise_path,
    parse_authority,
    parse_request,
    parse_response,
)
from tests.http.messages import chunked_bodies, requests, responses

PATHS = st.text(
    alphabet=st.sampled_from("/.%;\\aA25efEF30cC~ \x00"),
    max_size=24,
).map(lambda text: b"/" + text.encode())


def feed(parse: Any, data: bytes, cuts: list[int]) -> dict[str, Any]:
    """Parse as a codec does: with more and more bytes until there is an answer.

    A fault in a line that has not ended may be seen only when it does, so a line end is
    added; behind a head, or behind a fault, it changes nothing."""
    data += b"\r\n"
    found: dict[str, Any] = {"more": True, "searched": 0}
    for cut in [*sorted({c % (len(data) + 1) for c in cuts} - {0}), len(data)]:
        found = parse(data[:cut], searched=found["searched"])
        if "more" not in found:
            return found
    return {"more": True}


@given(requests(), st.lists(st.integers(0, 5000), max_size=12))
@settings(max_examples=200, deadline=None)
def test_request_split_anywhere(data: bytes, cuts: list[int]) -> None:
    """The pieces a head arrives in don't matter."""
    whole = parse_request(data)
    if "more" in whole:
        data += b"\r\n\r\n"
        whole = parse_request(data)
    if "more" not in whole:
        assert feed(parse_request, data, cuts) == whole


@given(requests())
@settings(max_examples=100, deadline=None)
def test_request_byte_by_byte(data: bytes) -> None:
    """One byte at a time."""
    whole = parse_request(data)
    if "more" not in whole:
        assert feed(parse_request, data, list(range(len(data)))) == whole


@given(responses(), st.lists(st.integers(0, 5000), max_size=12))
@settings(max_examples=200, deadline=None)
def test_response_split_anywhere(data: bytes, cuts: list[int]) -> None:
    """The pieces a head arrives in don't matter."""
    whole = parse_response(data)
    if "more" not in whole:
        assert feed(parse_response, data, cuts) == whole


@given(requests(), st.integers(0, 20), st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_small_space_is_told(data: bytes, cap: int, room: int) -> None:
    """With too small a table or scratch the parser says so, and nothing else changes."""
    whole = parse_request(data)
    small = parse_request(data, cap=cap, room=room)
    assert small in (whole, {"space": True})
    # A head that is refused may be told to be too large for the space first.
    if "fields" in whole and len(whole["fields"]) <= cap and room >= len(data):
        assert small == whole


@given(chunked_bodies(), st.lists(st.integers(0, 5000), max_size=12))
@settings(max_examples=200, deadline=None)
def test_chunks_split_anywhere(data: bytes, cuts: list[int]) -> None:
    """The pieces a body arrives in don't matter."""
    whole = Chunked()
    whole.feed(data)
    parts = Chunked()
    at = 0
    for cut in [*sorted(c % (len(data) + 1) for c in cuts), len(data)]:
        parts.feed(data[at:cut])
        at = cut
    if parts.outcome == "more" and whole.outcome != "end":
        # As in `feed`: a fault in a line of the trailers that has not ended.
        parts.feed(b"\r\n")
        whole.feed(b"\r\n")
    assert parts.outcome == whole.outcome
    assert (b"".join(parts.pieces), parts.trailers) == (b"".join(whole.pieces), whole.trailers)
    if whole.outcome == "end":
        assert parts.rest == whole.rest


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=6), st.binary(max_size=20))
@settings(max_examples=150, deadline=None)
def test_chunks_there_and_back(pieces: list[bytes], rest: bytes) -> None:
    """What is encoded is decoded, and the end is exact."""
    body = b"".join(chunk_header(len(p)) + p + b"\r\n" for p in pieces)
    decoder = Chunked()
    assert decoder.feed(body + b"0\r\n\r\n" + rest) == "end"
    assert (b"".join(decoder.pieces), decoder.rest) == (b"".join(pieces), rest)


@given(PATHS)
@example(b"/%%32%65")
@example(b"/%/../xx%41")
@example(b"/%4%31")
@settings(max_examples=600, deadline=None)
def test_normalising_twice_changes_nothing(path: bytes) -> None:
    """Idempotent, never longer, and no bit appears that was not there."""
    once, used, _ = normalise_path(path)
    twice, used_again, moved = normalise_path(once)
    assert twice == once and not moved
    assert used_again & ~used == 0
    assert len(once) <= len(path) and once.startswith(b"/")


@given(PATHS)
@settings(max_examples=200, deadline=None)
def test_no_dot_segment_is_left(path: bytes) -> None:
    """Unless a bit says that something odd is there, one reading is left."""
    once, used, _ = normalise_path(path)
    segments = once.split(b"/")
    assert b"." not in segments and b".." not in segments
    if not used:
        lowered = once.lower()
        assert not any(bad in lowered for bad in (b"%2e", b"%2f", b"%5c", b"%00", b"\\", b"%25%"))
        assert not any(s.startswith((b".;", b"..;")) for s in segments)


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_authority_never_surprises(text: bytes) -> None:
    """What is accepted is lower case, and accepted again as it is."""
    found = parse_authority(text)
    if found is not None:
        host, port = found
        assert host == host.lower() and 0 <= port <= 65535
        assert parse_authority(host) == (host, 0)
