"""Networks: a set of CIDRs, against the standard library's own idea of them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgw.ext.base.networks import Networks


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("10.0.0.1/8", "did you mean 10.0.0.0/8 or 10.0.0.1"),
        ("10.0.0.0/33", "is not an IP address or network"),
        ("10.0.0", "is not an IP address or network"),
        ("", "is not an IP address or network"),
        ("example.com", "is not an IP address or network"),
        ("fe80::1%eth0", "scope"),
        ("2001:db8::1/32", "did you mean 2001:db8::/32"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Networks(["10.0.0.0/8", text])


def test_one_text_is_not_a_list_of_texts() -> None:
    with pytest.raises(ValueError, match="list"):
        Networks("10.0.0.0/8")


def test_nothing_holds_nothing() -> None:
    assert len(Networks([])) == 0
    assert "127.0.0.1" not in Networks([])
    assert "::" not in Networks([])


def test_every_ipv6_client_is_not_every_client() -> None:
    everyone6 = Networks(["::/0"])
    assert "2001:db8::1" in everyone6
    assert "10.0.0.1" not in everyone6
    assert "10.0.0.1" in Networks(["0.0.0.0/0"])
    assert "::1" not in Networks(["0.0.0.0/0"])
    assert "10.0.0.1" in Networks(["::ffff:10.0.0.0/104"])


def test_neighbours_become_one_range() -> None:
    assert len(Networks(["10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16"])) == 1
    assert len(Networks(["10.0.0.0/9", "11.0.0.0/9"])) == 2


NETWORKS4 = st.builds(
    lambda n, bits: IPv4Network((n >> (32 - bits) << (32 - bits), bits)),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
NETWORKS6 = st.builds(
    lambda n, bits: IPv6Network((n >> (128 - bits) << (128 - bits), bits)),
    st.integers(0, 2**128 - 1) | st.integers(0, 2**34),
    st.integers(0, 128),
)
ADDRESSES = (
    st.integers(0, 2**32 - 1).map(IPv4Address)
    | st.integers(0, 2**128 - 1).map(IPv6Address)
    | st.integers(0, 2**34).map(IPv6Address)
)


def holds(networks: list[IPv4Network | IPv6Network], address: IPv4Address | IPv6Address) -> bool:
    """What the standard library says."""
    return any(address in network for network in networks)


@given(st.lists(NETWORKS4 | NETWORKS6, max_size=8), st.lists(ADDRESSES, min_size=1, max_size=8))
def test_any_networks_hold_what_the_standard_library_says(
    networks: list[IPv4Network | IPv6Network], addresses: list[IPv4Address | IPv6Address]
) -> None:
    ours = Networks([str(network) for network in networks])
    edges = [
        edge
        for network in networks
        for edge in (network.network_address, network.broadcast_address)
    ]
    near = [
        type(e)(int(e) + d) for e in edges for d in (-1, 1) if 0 <= int(e) + d < 2**e.max_prefixlen
    ]
    for address in (*addresses, *edges, *near):
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            continue
        assert (address in ours) == holds(networks, address), address
