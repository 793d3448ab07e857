"""Address lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.policy.door import Door, policy

Doors = Callable[..., Door]
OFFICE = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]


@pytest.mark.parametrize(
    ("allow", "deny", "client", "admitted"),
    [
        (OFFICE, [], "10.255.255.255", True),
        (OFFICE, [], "11.0.0.0", False),
        (OFFICE, [], "9.255.255.255", False),
        (OFFICE, [], "192.0.2.1", True),
        (OFFICE, [], "192.0.2.2", False),
        (OFFICE, [], "2001:db8:ffff::1", True),
        (OFFICE, [], "2001:db9::", False),
        (OFFICE, [], "::ffff:10.0.0.1", True),
        (OFFICE, ["10.9.0.0/16"], "10.9.1.1", False),
        (OFFICE, ["10.9.0.0/16"], "10.8.1.1", True),
        ([], ["10.9.0.0/16"], "10.9.1.1", False),
        ([], ["10.9.0.0/16"], "8.8.8.8", True),
        (["0.0.0.0/0"], [], "1.2.3.4", True),
        (["0.0.0.0/0"], [], "::1", False),
        (["::/0"], [], "1.2.3.4", False),
        (["::/0"], [], "::1", True),
        (OFFICE, [], "unix", False),
        ([*OFFICE, "unix"], [], "unix", True),
        (["unix"], [], "10.0.0.1", False),
        ([], ["10.0.0.0/8"], "unix", True),
        ([], ["unix"], "unix", False),
        (["unix"], ["unix"], "unix", False),
        ([], ["::/0", "0.0.0.0/0"], "unix", True),
    ],
)
def test_lists(door: Doors, allow: list[str], deny: list[str], client: str, admitted: bool) -> None:
    d = door(policy("ip", allow=allow, deny=deny), client=client)
    stream = d.ask()
    assert stream.status == (200 if admitted else 403)
    assert d.rig.records[0]["reason"] == ("none" if admitted else "ip_denied")
    assert len(d.target.attempts) == admitted


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "names nobody"),
        ({"allow": []}, "names nobody"),
        ({"allow": "10.0.0.0/8"}, "a list"),
        ({"allow": ["10.0.0.1/8"]}, "allow: .*did you mean 10.0.0.0/8"),
        ({"deny": ["x"]}, "deny: "),
        ({"alow": ["::1"]}, "did you mean 'allow'"),
        ({"deny": [1]}, "deny: "),
    ],
)
def test_refused_at_load(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        policy("ip", **options)
