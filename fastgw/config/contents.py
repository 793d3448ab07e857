"""Files whose content becomes part of an answer: read once, with the configuration."""

from __future__ import annotations

import os
import stat

from fastgw.config.document import Document
from fastgw.config.wrong import Wrong
from fastgw.named_files import NAMED


def content(document: Document, file: str, most: int, code: str) -> bytes:
    """The content of a file, named relative to the configuration's; Wrong says why not."""
    path = os.path.join(os.path.dirname(document.file), file)
    try:
        fd = NAMED.open(path)
        with open(fd, "rb") as f:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise Wrong(code, f"file '{file}': not a regular file")
            raw = f.read(most + 1)
    except OSError as e:
        raise Wrong(code, f"file '{file}': {e.strerror or e}") from None
    if len(raw) > most:
        raise Wrong(code, f"file '{file}': larger than {most // 1024} KiB")
    document.files.append(path)
    return raw


def text_content(document: Document, file: str, most: int, code: str) -> str:
    """The same, as UTF-8."""
    try:
        return content(document, file, most, code).decode()
    except UnicodeDecodeError:
        raise Wrong(code, f"file '{file}': not UTF-8") from None
