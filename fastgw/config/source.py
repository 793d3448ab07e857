"""From the name of a file to a document, whatever the file is written in."""

from __future__ import annotations

import os

from fastgw.config.document import Document
from fastgw.config.include import read_all
from fastgw.config.python_source import SUFFIX, read_python
from fastgw.config.references import References


def open_document(file: str, text_from: str | None = None) -> Document:
    """The document of a file: YAML or JSON with what it includes, or a Python file's.
    `text_from`: a file of YAML or JSON whose text stands in for that of `file`."""
    if file.endswith(SUFFIX) and text_from is None:
        return read_python(file, References(folder=os.path.dirname(file) or "."))
    return read_all(file, text_from=text_from)
