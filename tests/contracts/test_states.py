"""The tables of states and their page."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastgw.ext.exchange import states

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exchange-states.md"


def test_the_page_is_drawn_from_the_tables() -> None:
    assert states.drawing() in PAGE.read_text()


@pytest.mark.parametrize(
    ("side", "first", "last"),
    [
        ("request", "NEW", {"CUT"}),
        ("response", "NONE", {"DONE", "RESET"}),
    ],
)
def test_every_state_is_reached_and_only_ends_are_ends(
    side: str,
    first: str,
    last: set[str],
) -> None:
    table = states.moves()[side]
    reached = {first}
    while more := {to for state in reached for to in table[state]} - reached:
        reached |= more
    assert reached == set(table)
    assert {state for state, to in table.items() if not to} == last
