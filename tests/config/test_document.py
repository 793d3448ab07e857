"""YAML as it is read here: YAML 1.2's core schema, positions, and bounds."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.config.reader import read_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("NO", "NO"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("", None),
        ("nULL", "nULL"),
        ("12", 12),
        ("-7", -7),
        ("+3", 3),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-.inf", -math.inf),
        ("1.2.3", "1.2.3"),
        ("2026-01-01", "2026-01-01"),
        ("10s", "10s"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("<<", "<<"),
        ("=", "="),
        ("99999999999999999999", "99999999999999999999"),
        ("9" * 5000, "9" * 5000),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_scalars_are_what_the_core_schema_says(text: str, value: Any) -> None:
    document = read_text("x", f"a: {text}")
    assert document.problems == []
    assert document.value == {"a": value}
    assert type(document.value["a"]) is type(value)


def test_merge_keys_are_keys_like_others() -> None:
    assert read_text("x", "<<: {a: 1}\nb: 2").value == {"<<": {"a": 1}, "b": 2}


def test_keys_are_text() -> None:
    assert read_text("x", "404: a\ntrue: b\n").value == {"404": "a", "true": "b"}


def test_positions_of_keys_and_values() -> None:
    document = read_text("x", "a:\n  b: [1, {c: 2}]\n")
    assert document.place(("a", "b", 1, "c")) == "x:2:11"
    assert document.place(("a", "b", 1, "c"), key=False) == "x:2:14"
    assert document.place(("a", "b", 1)) == "x:2:10"
    assert document.place(("a", "nothing")) == "x:2:3"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "{a: " * 200_000,
        "- " * 200_000,
        "a: &a [*a]",
        "&a [" + "*a," * 1000 + "]",
        "a: &a [l,l,l,l,l,l,l,l,l]\n"
        + "".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n"
            for i in range(9)
        ),
    ],
)
def test_bombs_are_refused_quickly(text: str) -> None:
    began = time.process_time()
    document = read_text("x", text)
    assert document.problems
    assert time.process_time() - began < 2


# Keys of YAML end at 1024 characters.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, JSON, max_size=4))
def test_any_json_is_read_as_itself(value: dict[str, Any]) -> None:
    document = read_text("x", json.dumps(value))
    assert document.problems == []
    assert document.value == value


@given(st.text(max_size=200))
def test_any_text_is_a_document_or_has_problems(text: str) -> None:
    document = read_text("x", text)
    if document.value is None and document.marks is None:
        assert document.problems or not text.strip() or text.lstrip()[:1] in "#%-."
