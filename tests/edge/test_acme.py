"""Challenges of certificate authorities (RFC 8555 section 8.3) on a listener that redirects."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenario.client import Answer, Client
from tests.scenario.gateway import Gateway, Listener, ObjectSpec, Route, Step, policy

PATH = "/.well-known/acme-challenge/"
TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA"
CONTENT = TOKEN.encode() + b".9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """As `redirect: https` and `acme_challenge` are lowered."""
    folder = tmp_path / "challenges"
    folder.mkdir()
    steps = (
        Step(ObjectSpec("acme_challenge", "listen.main", {"folder": str(folder)})),
        Step(policy("redirect", to="https://{host}{path}?{query}", status=308)),
    )
    route = Route("listen.main", (), ObjectSpec("none", "none"), steps)
    listener = Listener("main", "127.0.0.1:0", {}, "listen.main")
    with Gateway(route, listeners=(listener,)) as made:
        yield made


def ask(gateway: Gateway, path: str, method: str = "GET") -> Answer:
    """What an authority gets."""
    with Client(gateway.address) as c:
        return c.send(f"{method} {path} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode()).answer()


def test_a_file_of_the_folder_is_the_answer(gateway: Gateway, tmp_path: Path) -> None:
    """It is there as soon as it is written; everything else is redirected."""
    assert ask(gateway, PATH + TOKEN).status == 404
    (tmp_path / "challenges" / TOKEN).write_bytes(CONTENT)
    answer = ask(gateway, PATH + TOKEN)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert b"content-type: text/plain\r\n" in answer.head.lower()
    for path in ("/", PATH, "/.well-known/security.txt", "/x" + PATH + TOKEN):
        assert ask(gateway, path).status == 308, path
    assert ask(gateway, PATH + TOKEN, "DELETE").status == 308


def test_nothing_else_is_shown(gateway: Gateway, tmp_path: Path) -> None:
    """What is no token, no file, too large, or elsewhere."""
    folder = tmp_path / "challenges"
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "large").write_bytes(b"*" * 5000)
    (folder / "folder").mkdir()
    (folder / "with.dot").write_bytes(b"secret")
    os.mkfifo(folder / "fifo")
    for name in (
        "link", "large", "folder", "with.dot", "fifo", "..%2fsecret", "folder/x", "a%00b",
        "x" * 129, "%C3%A4",
    ):  # fmt: skip
        answer = ask(gateway, PATH + name)
        assert answer.status in (400, 404), name
        assert b"secret" not in answer.body
    assert ask(gateway, PATH + "../../secret").status in (308, 400, 404)
