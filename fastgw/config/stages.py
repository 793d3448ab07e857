"""The order of policies: one table of stages, and the stage of each kind.

    listener limits, PROXY, TLS -> route -> [these stages] -> attempt; back in reverse; record

Within a stage the outer scope comes before the inner one, then the order in the file.
"""

from __future__ import annotations

from typing import Final

#: Stages in the order in which requests pass; answers pass them in reverse.
STAGES: Final[tuple[str, ...]] = (
    "ingress",  # who may come in at all: addresses, cors, request id, limits by address
    "identity",  # who it is
    "access",  # what they may do
    "limit",  # how much of it
    "cache",  # whether the answer is here already
    "shape",  # what the request and the answer look like
    "balance",  # who answers
)

#: The stage of each kind of policy, by the key that it is written as. A plugin may say another.
STAGE_OF: Final[dict[str, str]] = {
    "ip": "ingress",
    "websocket": "ingress",
    "plugin": "access",
    "headers": "shape",
    "respond": "balance",
    "redirect": "balance",
    "health": "balance",
}


def rank(stage: str) -> int:
    """A stage's place."""
    return STAGES.index(stage)
