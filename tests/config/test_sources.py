"""Configurations from several files, from outside values, and from Python."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from fastgw.config import include
from fastgw.config.document import Document
from fastgw.config.reader import read_text
from fastgw.config.references import References
from fastgw.config.source import open_document

ENVIRONMENT = {"PORT": "8080", "TOKEN": "s3cr3t-token", "EMPTY": "", "ODD": "a: {b}\n# c"}


def read(text: str, folder: str = ".") -> Document:
    """A text with references."""
    return read_text("g.yaml", text, References(ENVIRONMENT, folder))


def says(document: Document) -> list[str]:
    """Everything that is wrong."""
    return [str(problem) for problem in document.problems]


def files(folder: Path, **texts: str) -> str:
    """Write NAME.yaml files (`_` in a name is a folder's border); the path of `main`."""
    for name, text in texts.items():
        path = folder / (name.replace("_", "/") + ".yaml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return str(folder / "main.yaml")


# -- references ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${env:PORT}", 8080),
        ("'${env:PORT}'", "8080"),
        ("127.0.0.1:${env:PORT}", "127.0.0.1:8080"),
        ("${env:NONE:-7s}", "7s"),
        ("${env:EMPTY:-full}", "full"),
        ("${env:NONE:-}", None),
        ("${env:TOKEN:-x}", "s3cr3t-token"),
        ("${env:ODD}", "a: {b}\n# c"),
        ("a$${env:PORT}b", "a${env:PORT}b"),
        ("{client.ip} $x $", "{client.ip} $x $"),
    ],
)
def test_references(text: str, value: object) -> None:
    document = read(f'a: "{text}"' if text.startswith("{") else f"a: {text}")
    assert says(document) == []
    assert document.value == {"a": value}


def test_files_without_the_end_that_editors_leave(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\ntwo\n")
    document = read(
        "a: Bearer ${file:token}\nb: ${file:" + f"{tmp_path}/token" + "}", str(tmp_path)
    )
    assert document.value == {"a": "Bearer one\ntwo", "b": "one\ntwo"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "${env:NONE}",
            "environment variable NONE is not set (a default is ${env:NONE:-default}) [FGW015]",
        ),
        ("${env:EMPTY}", "environment variable EMPTY is empty"),
        ("${env:A-B}", "'${env:A-B}': not the name of a variable [FGW016]"),
        ("${ENV:PORT}", "is neither ${env:NAME} nor ${file:PATH}"),
        ("${path}", "(a plain '${' is '$${') [FGW016]"),
        ("${env:PORT", "is not closed"),
        ("${file:}", "names no file"),
        ("${file:none}", "file none: No such file or directory [FGW015]"),
        ("${file:/}", "file /: Is a directory"),
        ("${file:/dev/zero}", "file /dev/zero: not a regular file"),
        ("${file:fifo}", "not a regular file"),
        ("${file:latin}", "file latin: not UTF-8"),
        ("${file:large}", "larger than 64 KiB"),
        ("${vault:a/b}", "vault is not in this version [FGW007]"),
    ],
)
def test_references_that_cannot_be_resolved(text: str, message: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "latin").write_bytes(b"\xff")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    (said,) = says(read(f"a: 1\nb: {text}\n", str(tmp_path)))
    assert said.startswith("g.yaml:2:4: b: ")
    assert message in said


def test_what_a_reference_brings_is_never_shown() -> None:
    document = read("a: ${env:TOKEN}\nb: ${env:PORT}")
    document.problem("FGW005", ("a",), "'s3cr3t-token' is wrong, s3cr3t-token")
    document.problem("FGW005", ("b",), "'8080' is not between 8080 and 9000")
    assert [p.message for p in document.problems] == [
        "'${env:TOKEN}' is wrong, ${env:TOKEN}",
        "'${env:PORT}' is not between ${env:PORT} and 9000",  # rather too much than too little
    ]
    assert "s3cr3t" not in str(document.problems)


# -- include -------------------------------------------------------------------------------


def test_names_of_several_files_are_one_configuration(tmp_path: Path) -> None:
    main = files(
        tmp_path,
        main="version: 1\ninclude: [conf/*.yaml, more.yaml]\nroutes: {a: 1}\n",
        conf_one="routes: {b: 2}\nupstreams: {u: 3}\n",
        conf_two="version: 1\nroutes: {c: 4}\ninclude: ../deeper.yaml\n",
        more="routes:\n  d: 5\n",
        deeper="policies: {p: 6}\nroutes:\n",
    )
    document = open_document(main)
    assert says(document) == []
    assert document.value["routes"] == {"a": 1, "b": 2, "c": 4, "d": 5}
    assert (document.value["upstreams"], document.value["policies"]) == ({"u": 3}, {"p": 6})
    assert document.place(("routes", "d")) == f"{tmp_path}/more.yaml:2:3"
    assert len(document.files) == 5


def test_a_name_in_two_files_is_an_error_that_names_both(tmp_path: Path) -> None:
    main = files(
        tmp_path,
        main="version: 1\ninclude: more.yaml\nroutes:\n  a: 1\n",
        more="routes:\n  b: 1\n  a: 2\n",
    )
    assert says(open_document(main)) == [
        f"{tmp_path}/more.yaml:3:3: routes.a: duplicate name; the first is at {main}:4:3 [FGW002]"
    ]


def test_what_cannot_be_included(tmp_path: Path) -> None:
    main = files(
        tmp_path,
        main="version: 1\ninclude: [none.yaml, no/*.yaml, list.yaml, bad.yaml, main.yaml]",
        list="[1]",
        bad="version: 2\ndefaults: {}\nroutes: 7\nupstreams:\n",
    )
    assert says(open_document(main)) == [
        f"{main}:2:11: include[0]: no file 'none.yaml' [FGW017]",
        f"{main}:2:22: warning: include[1]: no file is like 'no/*.yaml' [FGW018]",
        f"{tmp_path}/list.yaml:1:1: an included file is a map as well [FGW005]",
        f"{tmp_path}/bad.yaml:1:1: version: is not the main file's [FGW017]",
        f"{tmp_path}/bad.yaml:2:1: defaults: belongs into the main file; an included one holds "
        "listen, upstreams, groups, policies, routes [FGW017]",
        f"{tmp_path}/bad.yaml:3:9: routes: must be a map [FGW005]",
    ]


def test_files_are_bounded_in_number_and_size_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {f"f{i}": f"routes: {{r{i}: {{match: /r{i}, respond: 404}}}}" for i in range(4)}
    main = files(tmp_path, main="version: 1\ninclude: [f*.yaml]", **more)
    assert says(open_document(main)) == []
    with monkeypatch.context() as patch:
        patch.setattr(include, "MAX_FILES", 3)
        assert "more than 3 files" in "".join(says(open_document(main)))
    with monkeypatch.context() as patch:
        patch.setattr(include, "MAX_TOTAL", 64)
        assert "MiB" in "".join(says(open_document(main)))


# -- Python --------------------------------------------------------------------------------


def python(folder: Path, text: str) -> Document:
    """What a Python file makes."""
    path = folder / "gateway.py"
    path.write_text(text)
    return open_document(str(path))


def test_a_python_file_makes_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("NAMES = ['a', 'b']\n")
    document = python(
        tmp_path,
        "from helper import NAMES\nprint('hello')\n"
        "def config():\n"
        "    return {'version': 1, 'routes': {n: {'match': f'/{n}', 'face': '\\U0001f600'}"
        " for n in NAMES}}\n",
    )
    assert says(document) == []
    assert document.value["routes"] == {n: {"match": f"/{n}", "face": "\U0001f600"} for n in "ab"}
    document.problem("FGW003", ("routes", "a", "face"), "unknown key")
    assert says(document) == [f"{tmp_path}/gateway.py: routes.a.face: unknown key [FGW003]"]


@pytest.mark.parametrize(
    ("text", "says_"),
    [
        ("x = 1\nconfig = {'a': nam}\n", ":2:1: NameError: name 'nam' is not defined [FGW019]"),
        ("x = 1\nx = (\n", ":2:1: SyntaxError: '(' was never closed [FGW019]"),
        ("a = 1\n", ": defines no 'config' [FGW019]"),
        ("config = {'a': {1, 2}}\n", ": 'config' is not plain data"),
        ("config = {'a': float('nan')}\n", ": 'config' is not plain data"),
        ("raise SystemExit('enough')\n", ":1:1: SystemExit: enough [FGW019]"),
        ("import os\nos._exit(3)\n", ": ended without an answer: out of memory or time [FGW019]"),
        pytest.param(
            "x = b'1' * (2 << 30)\nconfig = {}\n",
            ":1:1: MemoryError [FGW019]",
            marks=pytest.mark.plain_build,
        ),
        (
            "f = open(__file__ + '.out', 'w')\nf.write('x')\nf.flush()\nconfig = {}\n",
            ":3:1: [Errno 27] File too large [FGW019]",
        ),
    ],
)
def test_what_a_python_file_does_wrong_is_an_error(text: str, says_: str, tmp_path: Path) -> None:
    (said,) = says(python(tmp_path, text))
    assert said.startswith(f"{tmp_path}/gateway.py{says_}")


@pytest.mark.plain_build
def test_a_python_file_has_bounds_of_its_own(tmp_path: Path) -> None:
    kinds = ("AS", "CPU", "FSIZE", "CORE")
    rows = ", ".join(f"'{kind}': resource.getrlimit(resource.RLIMIT_{kind})" for kind in kinds)
    found = python(tmp_path, f"import resource\nconfig = {{{rows}}}\n").value
    assert found == {"AS": [1 << 30] * 2, "CPU": [20, 20], "FSIZE": [0, 0], "CORE": [0, 0]}


def test_a_python_file_has_a_deadline(tmp_path: Path) -> None:
    from fastgw.config.python_source import read_python

    path = tmp_path / "gateway.py"
    path.write_text("import time\ntime.sleep(100)\n")
    began = time.monotonic()
    document = read_python(str(path), timeout_s=0.5)
    assert says(document) == [f"{path}: took longer than 0.5 s [FGW019]"]
    assert time.monotonic() - began < 10
