"""Every wire case against the parsers: head, chunks, path rule."""

from __future__ import annotations

from typing import Any

import pytest

from fastgw.ext.testing.http_doors import Chunked, parse_request, parse_response
from tests.wire.cases import Case, read_cases, unescape

CASES = read_cases()
#: Bits of PathAllow (route/plan.pxd) by the names that cases use.
ALLOW = {
    "encoded_slash": 1,
    "encoded_backslash": 2,
    "backslash": 4,
    "nul": 8,
    "invalid_escape": 16,
    "double_encoding": 32,
    "dot_params": 64,
}


def parse(case: Case, data: bytes) -> dict[str, Any]:
    """The head of a case's message."""
    if not case.is_response:
        return parse_request(data, **case.limits)
    limits = {name: n for name, n in case.limits.items() if name != "target"}
    return parse_response(data, to_head=case.one.get("to") == "HEAD", **limits)


def chunk_reason(case: Case, outcome: str) -> str:
    """The reason that a codec gives for a decoder's refusal."""
    side = "upstream_" if case.is_response else ""
    return side + {"bad": "bad_chunk", "too_large": "head_too_large"}[outcome]


def read_message(case: Case) -> dict[str, Any]:
    """A whole message: its head, or the reason of its refusal; body, trailers and rest."""
    found = parse(case, case.raw)
    if "consumed" not in found:
        return found
    if found.get("path_used"):
        return {"reason": "bad_path", **found}
    after = case.raw[found["consumed"] :]
    found["trailers"] = []
    if found["framing"] == "chunked":
        limits = {name: n for name, n in case.limits.items() if name != "target"}
        decoder = Chunked(**limits)
        outcome = decoder.feed(after)
        if outcome in ("bad", "too_large"):
            return {"reason": chunk_reason(case, outcome)}
        found["trailers"] = decoder.trailers
        found["body"], found["rest"] = b"".join(decoder.pieces), decoder.rest
    else:
        n = found["content_length"] if found["framing"] == "length" else 0
        if found["framing"] == "until_close":
            n = len(after)
        found["body"], found["rest"] = after[:n], after[n:]
    return found


def pairs(rows: list[tuple[bytes, bytes, bool]]) -> list[bytes]:
    """`name: value` of the rows that are passed on."""
    return [name + b": " + value for name, value, hop in rows if not hop]


def check_texts(case: Case, found: dict[str, Any]) -> None:
    """Keys whose value is bytes."""
    for key in ("method", "path", "query", "authority", "host", "body", "rest"):
        want = case.bytes_of(key)
        if want is not None:
            assert found[key] == want, key


def check_numbers(case: Case, found: dict[str, Any]) -> None:
    """Port, status, framing, flags."""
    for key in ("port", "status"):
        if key in case.one:
            assert found[key] == int(case.one[key]), key
    for key in ("keep_alive", "expect_100"):
        if key in case.one:
            assert (key in found["flags"]) is (case.one[key] == "yes"), key
    if "framing" in case.one:
        name, _, length = case.one["framing"].partition(" ")
        assert found["framing"] == name
        if length:
            assert found["content_length"] == int(length)


def check_fields(case: Case, found: dict[str, Any]) -> None:
    """What is passed on, in order, and what is not."""
    passed = iter(pairs(found["fields"]))
    for want in case.many.get("field", []):
        assert unescape(want) in passed, want
    dropped = {name.lower() for name, _, hop in found["fields"] if hop}
    kept = {name.lower() for name, _, hop in found["fields"] if not hop}
    for name in case.many.get("hop", []):
        assert name.lower().encode() in dropped - kept, name
    if "trailer" in case.many:
        assert pairs(found["trailers"]) == [unescape(t) for t in case.many["trailer"]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_case(case: Case) -> None:
    """What the file says."""
    found = read_message(case)
    if "needs" in case.one:
        want = sum(ALLOW[name] for name in case.one["needs"].split())
        assert found["path_used"] == want
        check_texts(case, found)
    if case.accepted:
        assert "consumed" in found and "reason" not in found, found
        check_texts(case, found)
        check_numbers(case, found)
        check_fields(case, found)
    else:
        assert found.get("reason") == case.one["reason"], found


def cuts(case: Case) -> range:
    """Where to cut: everywhere in short messages, at a few places in long ones."""
    n = len(case.raw)
    return range(1, n) if n < 400 else range(1, n, n // 97)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_case_in_two_pieces(case: Case) -> None:
    """Where the bytes are cut changes nothing: a prefix is refused for the same reason,
    is incomplete, or is accepted as the whole is."""
    whole = parse(case, case.raw)
    for cut in cuts(case):
        part = parse(case, case.raw[:cut])
        if "more" in part:
            again = parse_again(case, part["searched"])
            # The line that is at fault may not have ended yet.
            assert again == whole or ("more" in again and b"\n" not in case.raw[cut:])
        else:
            assert part == whole


def parse_again(case: Case, searched: int) -> dict[str, Any]:
    """The rest has come too."""
    if not case.is_response:
        return parse_request(case.raw, searched=searched, **case.limits)
    limits = {name: n for name, n in case.limits.items() if name != "target"}
    to_head = case.one.get("to") == "HEAD"
    return parse_response(case.raw, to_head=to_head, searched=searched, **limits)


def test_there_are_enough() -> None:
    """Numbers are unique, and every theme is there."""
    numbers = [case.name.split("-")[0] for case in CASES]
    assert len(set(numbers)) == len(numbers) >= 120
    assert {number[0] for number in numbers} == set("0123456789")
