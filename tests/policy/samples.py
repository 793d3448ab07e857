"""One or more samples of every kind of policy; the kit does the rest.

A kind without a sample fails `test_kit.py::test_every_kind_has_a_sample`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastgw.ext.policy.build import build_policy


@dataclass(frozen=True)
class Sample:
    """Options of a policy, and a request for which it does what it is for."""

    label: str
    kind: str
    options: dict[str, Any]
    #: Target and fields of the request.
    target: str = "/a/b?c=d"
    fields: tuple[tuple[str, str], ...] = (("X-In", "1"), ("X-Gone", "2"))
    #: The status it answers itself; 0: it lets the upstream answer.
    answers: int = 0
    #: Hooks in which it waits for `plugins.gates` of that name.
    waits: tuple[str, ...] = ()
    client: str = "192.0.2.7"

    def make(self) -> Any:
        """The policy."""
        return build_policy(self.kind, self.label, self.options)


SAMPLES = [
    Sample(
        "headers",
        "headers",
        {
            "request": {
                "set": {"X-In": "{client.ip} {path}?{query}"},
                "remove": ["x-gone"],
                "add": {"Via": "1.1 {route}"},
            },
            "response": {"set": {"X-Out": "{response.status} {method}"}, "remove": ["Server"]},
        },
    ),
    Sample("respond", "respond", {"status": 299, "body": "fixed\n"}, answers=299),
    Sample("respond-empty", "respond", {"status": 410}, answers=410),
    Sample(
        "redirect", "redirect", {"to": "https://{host}{path}?{query}", "status": 308}, answers=308
    ),
    Sample("health-ready", "health", {"probe": "ready"}, answers=200),
    Sample("health-live", "health", {"probe": "live"}, answers=200),
    Sample("websocket-none", "websocket", {"idle": 1000}),
    Sample("ip-refuses", "ip", {"allow": ["10.0.0.0/8"]}, answers=403),
    Sample("ip-admits", "ip", {"allow": ["192.0.2.0/24"], "deny": ["192.0.2.8"]}),
    Sample("plugin-sync", "plugin", {"class": "tests.policy.plugins:Sync"}),
    Sample(
        "plugin-replies",
        "plugin",
        {"class": "tests.policy.plugins:Sync"},
        target="/?stop",
        answers=418,
    ),
    Sample(
        "plugin-at-once",
        "plugin",
        {"class": "tests.policy.plugins:Waits", "options": {"waits": []}},
    ),
    *(
        Sample(
            f"plugin-{hook}",
            "plugin",
            {"class": "tests.policy.plugins:Waits", "options": {"waits": [hook]}},
            waits=(hook,),
        )
        for hook in ("on_request", "on_response")
    ),
]
