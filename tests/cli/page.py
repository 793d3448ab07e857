"""A page of the docs, run: its files written, its configurations checked, its commands run
and what they print compared.

    ```yaml             a whole configuration, which must be right
    ```yaml wrong       one that is not
    ```yaml / python    whose first line is `# NAME`: written to a file of that name
    ```console          `$ command` lines, each with what it prints; `...` for any lines.
                        One that ends in `&` goes on until the page ends.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from fastgw.config.build import CommandLine, build
from fastgw.config.problems import ConfigError
from fastgw.config.server_urls import hosts_resolver
from fastgw.config.source import open_document
from fastgw.ext.policy.build import build_policy
from tests.meta.tree import ROOT

DEADLINE_S = 20.0
#: Ports that pages name; each run has free ones in their place.
PORTS = ("8080", "8081", "8082", "9001", "9002")

_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.M | re.S)
_NAME = re.compile(r"# ([\w.-]+\.(?:yaml|py))\n")


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    language: str
    marks: str
    text: str

    @property
    def file(self) -> str:
        """The file that it is, or nothing."""
        found = _NAME.match(self.text)
        return found[1] if found else ""

    @property
    def is_configuration(self) -> bool:
        """Whether it is a whole configuration that should be right."""
        whole = re.search(r"^version:", self.text, re.M) is not None
        return self.language == "yaml" and whole and not self.marks


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [Block(language, marks.strip(), text) for language, marks, text in found]


def problems(text: str) -> list[str]:
    """What is wrong with a configuration, warnings too."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gateway.yaml"
        file.write_text(text)
        try:
            build(
                open_document(str(file)), CommandLine(), hosts_resolver, build_policy, strict=True
            )
        except ConfigError as e:
            return [str(problem) for problem in e.problems]
    return []


class Shell:
    """Runs a page's commands in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.going: list[subprocess.Popen[str]] = []
        self.ports = {port: str(_free_port()) for port in PORTS}
        shims = folder / ".bin"
        shims.mkdir()
        (shims / "fastgw").write_text(f'#!/bin/sh\nexec {sys.executable} -m fastgw "$@"\n')
        (shims / "fastgw").chmod(0o755)
        self.env = {
            **os.environ,
            "PATH": f"{shims}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "FASTGW_RUN_DIR": str(folder / ".run"),
            "FASTGW_WORKERS": "1",
        }

    def filled(self, text: str) -> str:
        """A text with free ports in place of those of the page."""
        return re.sub("|".join(PORTS), lambda m: self.ports[m[0]], text)

    def write(self, block: Block) -> None:
        """Write the file that a block is."""
        (self.folder / block.file).write_text(self.filled(block.text))

    def run(self, block: Block) -> None:
        """Run a console's commands, one by one."""
        for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
            command, _, expected = part.partition("\n")
            if "pip install" in command:
                continue  # tests/meta/test_package.py does
            if command.endswith("&"):
                self.start(self.filled(command.removesuffix("&").strip()))
            else:
                said = self.said(self.filled(command))
                assert fits(said, self.filled(expected)), f"$ {command}\n{said}\n--\n{expected}"

    def said(self, command: str) -> str:
        """What a command prints."""
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE_S,
        )  # fmt: skip
        return done.stdout

    def start(self, command: str) -> None:
        """Start what goes on, and wait until it can be used."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.env, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self.going.append(process)
        if "fastgw run" in command:
            _await_line(process, "ready with")
        else:
            found = re.search(r"http\.server (\d+)", command)
            assert found, f"how is to be known when this is ready? {command}"
            _await_port(int(found[1]))

    def __enter__(self) -> Shell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        for process in self.going:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.going:
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


def fits(said: str, expected: str) -> bool:
    """Whether lines are those expected; spaces count as one, `...` is any lines."""
    wanted = [" ".join(line.split()) for line in expected.strip().splitlines()]
    pattern = "\n".join("(?:.*\n?)*?" if line == "..." else re.escape(line) for line in wanted)
    lines = "\n".join(" ".join(line.split()) for line in said.strip().splitlines())
    return re.fullmatch(pattern, lines) is not None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        port: int = s.getsockname()[1]
        return port


def _await_line(process: subprocess.Popen[str], text: str) -> None:
    """Read what a process says until a line holds the text."""
    ready = threading.Event()
    lines: list[str] = []

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if text in line:
                ready.set()

    threading.Thread(target=read, daemon=True).start()
    assert ready.wait(DEADLINE_S), "".join(lines)


def _await_port(port: int) -> None:
    """Wait until somebody listens."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            threading.Event().wait(0.02)
    raise AssertionError(f"nobody listens on {port}")
