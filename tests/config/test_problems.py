"""Everything that is wrong is said at once, with place, reason and suggestion."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import pytest

from fastgw.config import problems
from fastgw.config.build import CommandLine, build, build_file
from fastgw.config.problems import ConfigError, Problem
from fastgw.config.reader import MAX_BYTES, read_file, read_text

#: NAME.yaml is wrong, and NAME.txt all that must be said about it, in the order of the file.
CASES = sorted((Path(__file__).parent / "wrong").glob("*.yaml"))


def resolver(host: str) -> list[tuple[int, str]]:
    """No network in tests: names below .test don't exist, others are one address."""
    if host.endswith(".test"):
        raise OSError(socket.EAI_NONAME, "Name or service not known")
    return [(int(socket.AF_INET), "192.0.2.1")]


def wrong(
    text: str, command_line: CommandLine | None = None, file: str = "g.yaml"
) -> list[Problem]:
    """What is wrong with a configuration, warnings too."""
    with pytest.raises(ConfigError) as caught:
        build(read_text(file, text), command_line or CommandLine(), resolver, strict=True)
    return caught.value.problems


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_all_that_is_wrong_is_said(case: Path) -> None:
    says = case.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    found = wrong(case.read_text(encoding="utf-8"), file=case.name)
    assert [str(problem) for problem in found] == says


def test_every_code_is_in_the_table_and_every_row_is_produced(tmp_path: Path) -> None:
    said = {problem.code for case in CASES for problem in wrong(case.read_text(encoding="utf-8"))}
    with pytest.raises(ConfigError) as missing:
        build_file(str(tmp_path / "none.yaml"))
    said |= {p.code for p in missing.value.problems}
    said |= {p.code for p in wrong("version: 1", CommandLine(to=("http://10.0.0.1",)))}
    said |= {p.code for p in unbuildable()}
    # These take files: tests/config/test_sources.py and tests/tls meet them.
    said |= {"FGW015", "FGW016", "FGW017", "FGW018", "FGW019", "FGW405"}
    said |= {f"FGW30{i}" for i in range(2, 7)}
    assert said == set(problems.codes())


def unbuildable() -> list[Problem]:
    """What is wrong when every policy of kind respond refuses its options."""

    def check(kind: str, name: str, options: dict[str, Any]) -> None:
        if kind == "respond":
            raise ValueError(f"{name}: no")

    with pytest.raises(ConfigError) as caught:
        build(
            read_text(
                "g.yaml",
                (
                    "version: 1\npolicies: {p: {respond: 404}}\ndefaults: {respond: 404}\n"
                    "routes:\n  a: {match: /a, policies: [p]}\n  b: {match: /b, policies: [p]}\n"
                ),
            ),
            CommandLine(),
            resolver,
            check,
        )
    return caught.value.problems


def test_what_keeps_a_policy_from_being_built_is_said_once_where_it_is_written() -> None:
    assert [str(p) for p in unbuildable()] == [
        "g.yaml:2:25: policies.p.respond: policies.p: no [FGW506]",
        "g.yaml:3:21: defaults.respond: defaults: no [FGW506]",
    ]


def test_codes_have_a_title_and_help() -> None:
    for name, code in problems.codes().items():
        assert re.fullmatch(r"FGW[0-5]\d\d", name)
        assert code.title
        assert code.help.endswith(".")


def test_the_command_line_is_checked_like_a_file() -> None:
    found = wrong(
        "version: 1\nroutes: {a: {match: /, respond: 404}}",
        CommandLine(
            listen=("x",),
            timeouts={"connect": "5", "conect": "5s"},
            trusted_proxies=("y",),
        ),
    )
    assert {(p.file, p.path, p.code) for p in found} == {
        ("command line", "defaults.timeouts.connect", "FGW006"),
        ("command line", "defaults.timeouts.conect", "FGW003"),
        ("command line", "trusted_proxies[0]", "FGW401"),
        ("command line", "listen.cli-1.addr", "FGW012"),
    }


def test_a_file_and_upstreams_on_the_command_line_exclude_each_other() -> None:
    found = wrong(
        "version: 1\nroutes: {a: {match: /, respond: 404}}", CommandLine(to=("http://10.0.0.1",))
    )
    assert [str(problem) for problem in found] == [
        "command line: either a file or --to, not both [FGW013]",
    ]


def test_a_wrong_upstream_on_the_command_line_is_said() -> None:
    with pytest.raises(ConfigError) as caught:
        build(None, CommandLine(to=("127.0.0.1:9000",)), resolver)
    assert str(caught.value) == (
        "command line: routes.all.upstream.servers[0].url: '127.0.0.1:9000' is no server (did"
        " you mean 'http://127.0.0.1:9000'?) [FGW103]"
    )


# -- files ---------------------------------------------------------------------------------


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"version: \xff")
    for name, says in (
        ("none", "No such file or directory [FGW011]"),
        (".", "Is a directory [FGW011]"),
        ("latin", "not UTF-8 (at byte 9) [FGW001]"),
    ):
        document = read_file(str(tmp_path / name))
        assert [str(p).split(": ")[-1] for p in document.problems] == [says]


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as f:
        f.truncate(MAX_BYTES * 1000)
    document = read_file(str(path))
    assert [p.message for p in document.problems] == ["larger than 32 MiB"]


def test_a_byte_order_mark_and_json_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    path.write_bytes(
        b'\xef\xbb\xbf{"version": 1, "routes": {"a": {"match": "/a\\u0062", "respond": 404}}}'
    )
    assert build_file(str(path)).routes[0].matches[0].path == "/ab"


def test_a_flood_of_duplicates_ends_soon() -> None:
    document = read_text("g.yaml", "a: 1\n" * 100_000)
    assert len(document.problems) == 100
