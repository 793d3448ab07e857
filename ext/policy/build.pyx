"""Which kinds of policies there are, and how a plan's entry becomes one.

Adding a kind: one line in KINDS, a page in docs/policies/, a sample in
tests/policy/samples.py (a test insists on both).
"""

from difflib import get_close_matches
from fastgw.ext.exchange.contract cimport Policy
from fastgw.ext.policy.headers import HeadersPolicy
from fastgw.ext.policy.health import HealthPolicy
from fastgw.ext.policy.ip import IpPolicy
from fastgw.ext.policy.python import PythonPolicy
from fastgw.ext.policy.redirect import RedirectPolicy
from fastgw.ext.policy.respond import RespondPolicy
from fastgw.ext.policy.websocket import WebsocketPolicy

#: What builds each kind, called with name and options; ValueError says what is wrong.
KINDS: dict[str, type] = {
    "headers": HeadersPolicy,
    "health": HealthPolicy,
    "ip": IpPolicy,
    "plugin": PythonPolicy,
    "redirect": RedirectPolicy,
    "respond": RespondPolicy,
    "websocket": WebsocketPolicy,
}


def build_policy(kind: str, name: str, options: dict) -> Policy:
    """The policy of a kind with these options; ValueError names what is wrong with them."""
    if kind not in KINDS:
        near = get_close_matches(str(kind), KINDS, 1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        raise ValueError(f"unknown kind of policy '{kind}'{hint}")
    if not isinstance(options, dict):
        raise ValueError(f"{kind}: expected a map of options, not {options!r}")
    return <Policy?>KINDS[kind](name, options)
