"""What tests of gateways as processes begin with: an origin, a configuration, a clean end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.echo import EchoOrigin
from tests.process.service import configuration, upstream_origin
from tests.scenario.origin import Origin


@pytest.fixture
def origin() -> Iterator[Origin]:
    with upstream_origin() as origin:
        yield origin


@pytest.fixture
def echo_origin() -> Iterator[EchoOrigin]:
    """For load, and for many tunnels: in a process of its own."""
    with EchoOrigin() as origin:
        yield origin


@pytest.fixture
def file(tmp_path: Path, origin: Origin) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(configuration(origin))
    return path


@pytest.fixture
def strays(tmp_path: Path) -> Iterator[None]:
    """Whatever a test leaves running of its own gateway is ended."""
    yield
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(tmp_path).encode() in command and int(entry.name) != os.getpid():
                os.kill(int(entry.name), signal.SIGKILL)
