"""Plans for Python: the model they are built from, the writer, the reader.

Needs no compiled module, so that the master can read listeners from a plan.
"""

from __future__ import annotations

from fastgw.ext.route.errors import PlanError
from fastgw.plan.describe import describe
from fastgw.plan.model import (
    Condition,
    ErrorPage,
    Limits,
    Listener,
    Match,
    ObjectSpec,
    PlanModel,
    Rewrite,
    Route,
    Split,
    SplitPart,
    Step,
    Timeouts,
)
from fastgw.plan.reader import PlanReader, read_listeners
from fastgw.plan.writer import build_plan

__all__ = [
    "Condition",
    "ErrorPage",
    "Limits",
    "Listener",
    "Match",
    "ObjectSpec",
    "PlanError",
    "PlanModel",
    "PlanReader",
    "Rewrite",
    "Route",
    "Split",
    "SplitPart",
    "Step",
    "Timeouts",
    "build_plan",
    "describe",
    "read_listeners",
]
