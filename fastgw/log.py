"""The processes' own log: one line an event on standard error.

    2026-11-24T06:00:00.000Z info master[123] listening on http://127.0.0.1:8080

A log that can't be written must never end a process, so errors of writing are dropped.
The access log is another thing: ext/record.
"""

from __future__ import annotations

import os
import time

#: Levels, the least important first; a level lets itself and everything above it pass.
LEVELS = ("debug", "info", "warning", "error")

#: Bytes that could forge a line or move a terminal's cursor, and what stands for them.
_ESCAPES = {i: f"\\x{i:02x}" for i in [*range(0x20), *range(0x7F, 0xA0)]}
_ESCAPES.update({ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", 0x5C: "\\\\"})


def escape(text: str) -> str:
    """The text without a control character."""
    return text.translate(_ESCAPES)


def stamp(now_s: float) -> str:
    """Seconds since the epoch as UTC with milliseconds."""
    whole = int(now_s)
    millis = int((now_s - whole) * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{millis:03d}Z"


class Log:
    """Writes the lines of one process, named by its role."""

    def __init__(self, role: str, level: str = "info", fd: int = 2) -> None:
        self.role = role
        self.level = level
        self.fd = fd
        self._least = LEVELS.index(level)

    def set_level(self, level: str) -> None:
        """Let this level and everything above it pass from now on."""
        self.level, self._least = level, LEVELS.index(level)

    def __call__(self, level: str, text: str) -> None:
        """Write one line if the level passes; the pid is asked anew, for the sake of forks."""
        if LEVELS.index(level) < self._least:
            return
        line = f"{stamp(time.time())} {level} {self.role}[{os.getpid()}] {escape(text)}\n"
        try:
            # One write a line: lines of several processes do not mix.
            os.write(self.fd, line.encode("utf-8", "backslashreplace"))
        except OSError:
            pass

    def debug(self, text: str) -> None:
        """What only someone who looks for a fault wants to read."""
        self("debug", text)

    def info(self, text: str) -> None:
        """What an operator expects to see."""
        self("info", text)

    def warning(self, text: str) -> None:
        """What works but is not as it should be."""
        self("warning", text)

    def error(self, text: str) -> None:
        """What failed."""
        self("error", text)

    def sibling(self, role: str) -> Log:
        """The same log under another role, for a process that was forked."""
        return Log(role, self.level, self.fd)
