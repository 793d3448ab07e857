"""The moves of an exchange's states, for its page in the docs; see states.pxd."""

REQUEST_STATES: tuple[str, ...] = ("NEW", "HEAD", "COLLECT", "WAIT", "BODY", "DONE", "CUT")
RESPONSE_STATES: tuple[str, ...] = ("NONE", "HEAD", "COLLECT", "BODY", "DONE", "TUNNEL", "RESET")


def moves() -> dict[str, dict[str, list[str]]]:
    """Side -> state -> states it may move to."""
    return {
        "request": {
            name: [to for k, to in enumerate(REQUEST_STATES)
                   if request_moves(<RequestState><int>i) >> <int>k & 1]
            for i, name in enumerate(REQUEST_STATES)
        },
        "response": {
            name: [to for k, to in enumerate(RESPONSE_STATES)
                   if response_moves(<ResponseState><int>i) >> <int>k & 1]
            for i, name in enumerate(RESPONSE_STATES)
        },
    }


def drawing() -> str:
    """The tables as two Mermaid diagrams."""
    out = []
    for side, table in moves().items():
        out.append(f"```mermaid\nstateDiagram-v2\n    %% {side} side")
        for state, targets in table.items():
            out.extend(f"    {state} --> {to}" for to in targets)
        out.append("```\n")
    return "\n".join(out)
