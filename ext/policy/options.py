"""Checks of policies' options that more than one policy makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


def only(options: Mapping[str, object], known: Iterable[str], where: str) -> None:
    """ValueError for a key that is not known, with what may have been meant."""
    names = list(known)
    for key in options:
        if key not in names:
            near = get_close_matches(str(key), names, 1)
            hint = f" (did you mean '{near[0]}'?)" if near else f" (known: {', '.join(names)})"
            raise ValueError(f"{where}: unknown option '{key}'{hint}")
