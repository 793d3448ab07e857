"""PlanError, which readers of plans raise, compiled or not."""

from __future__ import annotations


class PlanError(ValueError):
    """The bytes are not a plan that this version can read; says what is wrong where."""
