"""What a plugin's author sees: types that mypy --strict agrees with, and light imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fastgw

ROOT = Path(__file__).parents[2]
PLUGIN = """
from collections.abc import Mapping
from typing import Any

import fastgw


class Both(fastgw.Policy):
    def __init__(self, options: Mapping[str, Any]) -> None:
        self.key: str = options["key"]

    async def on_request(self, request: fastgw.Request) -> fastgw.Response | None:
        if request.headers.get("x-key") == self.key:
            return None
        return fastgw.Response(401, {"www-authenticate": "Key"}, b"no")

    def on_response(self, request: fastgw.Request, response: fastgw.Response) -> None:
        response.headers.set("x-len", str(len(request.path)))

    async def on_log(self, record: fastgw.Record) -> None:
        print(record.status + 1, record.duration_ms)
"""


def mypy(path: Path) -> subprocess.CompletedProcess[str]:
    """The verdict on one file."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--cache-dir",
            str(path.parent / "cache"),
            str(path),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_plugin_is_typed(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    path = tmp_path / "both.py"
    path.write_text(PLUGIN)
    verdict = mypy(path)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    path.write_text(PLUGIN.replace("response.headers.set(", "response.headers.replace("))
    assert '"Headers" has no attribute "replace"' in mypy(path).stdout


def test_import_is_light() -> None:
    """A plugin's test imports neither the data plane nor a loop."""
    code = (
        "import sys, fastgw\n"
        "print(*[m for m in sys.modules if m.startswith(('fastgw.', 'asyncio', 'uvloop'))])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert set(out.split()) == {"fastgw.policy", "fastgw.fields"}


def test_headers() -> None:
    headers = fastgw.Headers([("A", "1"), ("a", b"\xe9"), ("B", " 2 ")])
    assert headers.get_all("a") == ["1", "é"]
    assert (headers.get("b"), headers.get("c"), headers.get("c", "d")) == ("2", None, "d")
    headers.set("A", "3")
    assert headers.items() == [("B", "2"), ("A", "3")]
    assert headers.remove("b") == 1
    assert ("b" in headers, len(headers), list(headers)) == (False, 1, ["A"])


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("a b", "1", ValueError),
        ("", "1", ValueError),
        ("Host", "1", ValueError),
        ("content-length", "1", ValueError),
        ("a", "x\ny", ValueError),
        ("a", "\0", ValueError),
        ("a", "\u20ac", ValueError),
        ("a", 1, TypeError),
    ],
)
def test_headers_refuse(name: str, value: str, error: type[Exception]) -> None:
    for write in (fastgw.Headers().set, fastgw.Headers().add):
        with pytest.raises(error):
            write(name, value)


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ((99,), ValueError),
        ((600,), ValueError),
        ((True,), ValueError),
        ((204, {}, "x"), ValueError),
        ((200, {}, 1), TypeError),
    ],
)
def test_response_refuses(how: tuple[object, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        fastgw.Response(*how)  # type: ignore[arg-type]


def test_response_types() -> None:
    assert fastgw.Response(200, {}, b"x").headers.get("content-type") == "application/octet-stream"
    assert fastgw.Response(200, {"Content-Type": "a/b"}, "x").headers.get_all("content-type") == [
        "a/b"
    ]
    assert fastgw.Response(200).headers.items() == []
