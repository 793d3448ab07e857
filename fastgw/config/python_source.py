"""A configuration written in Python, `gateway.py`: run aside, and read as data.

The child has no channel but its output, bounded memory and a deadline; what it says is
checked like any file. Its values have a path, but no line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace

from fastgw.config.document import Document, Source
from fastgw.config.marks import place_at
from fastgw.config.reader import MAX_BYTES, read_text
from fastgw.config.references import References
from fastgw.named_files import NAMED

#: Of the clock on the wall; generate.CPU_S bounds the processor's.
TIMEOUT_S = 30.0
SUFFIX = ".py"
_MOST_PRINTED = 64 * 1024


def read_python(
    file: str, references: References | None = None, timeout_s: float = TIMEOUT_S
) -> Document:
    """The document that a Python file makes."""
    try:
        with open(NAMED.open(file), "rb") as f:
            code = f.read(MAX_BYTES)
    except OSError as e:
        return _failed(file, "FGW011", e.strerror or str(e), b"", 0)
    try:
        said = _said_by(file, code, timeout_s)
    except subprocess.TimeoutExpired:
        return _failed(file, "FGW019", f"took longer than {timeout_s:g} s", code, 0)
    if said is None:
        return _failed(file, "FGW019", f"made more than {MAX_BYTES // 1024 // 1024} MiB", code, 0)
    try:
        answer = json.loads(said)
    except ValueError:
        return _failed(file, "FGW019", "ended without an answer: out of memory or time", code, 0)
    if "error" in answer:
        return _failed(file, "FGW019", answer["error"], code, answer["line"])
    found = references or References(folder=os.path.dirname(file) or ".")
    document = read_text(file, json.dumps(answer["config"], ensure_ascii=False), found)
    # Places in a text that nobody has seen would help nobody.
    document.marks, document.sources = None, []
    document.files += [file, *found.files]
    document.problems = [replace(p, line=0, column=0, excerpt="") for p in document.problems]
    return document


def _said_by(file: str, code: bytes, timeout_s: float) -> bytes | None:
    """What the child says of the code of a file; None when it says too much."""
    done = subprocess.run(
        [sys.executable, "-m", "fastgw.config.generate", file],
        input=code,
        capture_output=True,  # a pipe for what it prints: it may write no file, not even a log
        timeout=timeout_s,
        check=False,
    )
    sys.stderr.write(done.stderr[:_MOST_PRINTED].decode("utf-8", "replace"))
    return done.stdout if len(done.stdout) <= MAX_BYTES else None


def _failed(file: str, code: str, message: str, content: bytes, line: int) -> Document:
    document = Document(file)
    text = content.decode("utf-8", "replace") if line else ""
    document.sources.append(Source(file, text))
    document.note(code, place_at(0, line, 1 if line else 0), "", message)
    return document
