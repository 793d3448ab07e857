"""Where requests go: addresses and their weights, unix sockets, IPv6, and what Host says there."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.ext.upstream.round_robin import spread
from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, upstream
from tests.scenario.origin import Origin

# -- Host ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("keep", "Gw.Test:81"),
        ("upstream", "{address}"),
        ("=api.internal", "api.internal"),
        ("=api.internal:8443", "api.internal:8443"),
    ],
)
def test_host(mode: str, expected: str) -> None:
    with (
        Origin() as origin,
        Gateway(upstream(origin.address, host=mode)) as gw,
        Client(gw.address) as c,
    ):
        assert c.get(host="Gw.Test:81").status == 200
        request = origin.request()
        address = f"127.0.0.1:{origin.address[1]}"
        assert request.value("Host").decode() == expected.format(address=address)
        assert request.value("X-Forwarded-Host") == b"Gw.Test:81"


def test_host_of_a_client_that_names_none() -> None:
    """HTTP/1.0 may; the upstream is spoken to in 1.1, which may not."""
    with (
        Origin() as origin,
        Gateway(upstream(origin.address)) as gw,
        Client(gw.address) as c,
    ):
        assert c.send(b"GET / HTTP/1.0\r\n\r\n").head().status == 200
        assert origin.request().value("Host") == b"127.0.0.1:%d" % origin.address[1]


# -- kinds of address --------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["keep", "upstream"])
def test_a_unix_socket(tmp_path: Path, mode: str) -> None:
    path = str(tmp_path / "upstream")
    with (
        Origin(at=path) as origin,
        Gateway(upstream(path, host=mode)) as gw,
        Client(gw.address) as c,
    ):
        for _ in range(3):
            assert c.get(host="gw.test").body == b"ok"
            assert origin.request().value("Host") == (
                b"gw.test" if mode == "keep" else b"localhost"
            )
        big = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000)
        assert c.send(big).answer().status == 200
        assert len(origin.request().body) == 3_000_000
        assert len(origin.peers) == 1
        assert gw.record()["endpoint"] == f"unix:{path}"


@pytest.mark.parametrize("size", [107, 108])
def test_the_longest_path_of_a_unix_socket(tmp_path: Path, size: int) -> None:
    path = str(tmp_path) + "/" + "x" * (size - len(str(tmp_path)) - 1)
    if size > 107:
        with pytest.raises(ValueError, match="at most 107"), Gateway(upstream(path)):
            pass
        return
    with Origin(at=path), Gateway(upstream(path)) as gw, Client(gw.address) as c:
        assert c.get().body == b"ok"


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback."""
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback here")
def test_ipv6() -> None:
    with Origin(at=("::1", 0)) as origin:
        with Gateway(upstream(origin.address, host="upstream")) as gw, Client(gw.address) as c:
            assert c.get().body == b"ok"
            assert origin.request().value("Host") == b"[::1]:%d" % origin.address[1]


# -- several -------------------------------------------------------------------------------------


def test_round_robin_by_weight() -> None:
    with contextlib.ExitStack() as stack:
        origins = [stack.enter_context(Origin()) for _ in range(3)]
        gw = stack.enter_context(
            Gateway(upstream(*(o.address for o in origins), weights=(1, 2, 3)))
        )
        c = stack.enter_context(Client(gw.address))
        order = []
        for i in range(24):
            assert c.get(f"/{i}").status == 200
            order.append([o.requests.qsize() for o in origins])
        assert order[5] == [1, 2, 3]  # every round of six is exact
        assert order[-1] == [4, 8, 12]


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_spread(weights: list[int]) -> None:
    """Each as often as its weight, and never far behind or ahead of its share."""
    order = spread(weights)
    total = sum(weights)
    assert Counter(order) == dict(enumerate(weights))
    for n in range(1, total + 1):
        seen = Counter(order[:n])
        for i, w in enumerate(weights):
            assert abs(seen[i] - n * w / total) < len(weights)


@given(st.integers(1, 8), st.integers(2, 8))
def test_spread_of_equal_weights_takes_turns(weight: int, n: int) -> None:
    assert spread([weight] * n) == list(range(n)) * weight
