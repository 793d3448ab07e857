"""Lines of the access log, from requests over real sockets."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest

from fastgw.ext.record.log_options import DEFAULT, FIELDS
from fastgw.ext.record.ring import RingReader, create_ring
from tests.scenario.client import Client
from tests.scenario.gateway import Gateway, Match, ObjectSpec, Route, Step, policy, upstream
from tests.scenario.origin import Origin, answering

NOTHING = ObjectSpec("none", "none")


def fixed(*fields: str) -> Route:
    """A route that answers by itself."""
    respond = policy("respond", status=200, body="hi")
    return Route("front", (Match(),), NOTHING, (Step(respond),))


def line(log: dict[str, Any], target: str, *fields: str) -> str:
    """The line of a request to a gateway that answers by itself."""
    with Gateway(fixed(), log=log) as gw, Client(gw.address) as c:
        c.get(target, *fields)
        return gw.line()


def test_default_line_has_every_default_field() -> None:
    with Origin() as origin, Gateway(upstream(origin.address, name="shop")) as gw:
        with Client(gw.address) as c:
            c.get("/a?secret=1", "X-Request-Id: mine")
        said = json.loads(gw.line())
    assert set(said) == set(DEFAULT)
    assert (said["reason"], said["decided_by"], said["waiting_on"]) == ("", "", "")
    assert (said["status"], said["method"], said["path"]) == (200, "GET", "/a")
    assert (said["route"], said["upstream"]) == ("default", "shop")
    assert said["endpoint"] == f"http://127.0.0.1:{origin.address[1]}"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said["time"])
    assert 0 <= said["connect_ms"] <= said["head_ms"] <= said["total_ms"]
    assert list(said) == [name for name in DEFAULT if name in said]


def test_line_of_a_refused_head() -> None:
    with Gateway(fixed()) as gw, Client(gw.address) as c:
        c.send(b"GET / HTTP/1.1\r\nbad header\r\n\r\n")
        said = json.loads(gw.line())
    assert (said["status"], said["reason"], said["decided_by"]) == (400, "bad_header", "http")
    assert "route" not in said and "upstream" not in said


def test_combined() -> None:
    said = line({"format": "combined"}, "/p?a=1", "Referer: http://x/?q=2", "User-Agent: c/1")
    stamp = r"\[\d\d/[A-Z][a-z]{2}/20\d\d:\d\d:\d\d:\d\d \+0000\]"
    assert re.fullmatch(
        rf'127\.0\.0\.1 - - {stamp} "GET /p\?a=\*\*\* HTTP/1\.1" 200 2 '
        r'"http://x/\?q=\*\*\*" "c/1"',
        said,
    ), said


def test_what_is_not_there_is_a_dash_in_text_and_left_out_in_json() -> None:
    assert line({"format": "[{upstream}] {header.x-no}"}, "/") == "[-] -"
    assert json.loads(line({"fields": ["upstream", "status"]}, "/")) == {"status": 200}
    assert line({"fields": ["upstream"]}, "/") == "{}"


@pytest.mark.parametrize(
    ("show", "is_"),
    [
        ([], "a=***&b=***&***&&c=***"),
        (["query.b"], "a=***&b=2&***&&c=***"),
        (["query"], "a=1&b=2&token&&c="),
    ],
)
def test_query_values_are_hidden(show: list[str], is_: str) -> None:
    said = line({"fields": ["query", "target"], "show": show}, "/x?a=1&b=2&token&&c=")
    assert json.loads(said) == {"query": is_, "target": f"/x?{is_}"}


def test_secret_headers_are_hidden() -> None:
    fields = ["header.authorization", "header.cookie", "header.x-plain"]
    given = ("Authorization: Bearer abc", "Cookie: sid=1", "X-Plain: yes")
    assert json.loads(line({"fields": fields}, "/", *given)) == {
        "header.authorization": "***", "header.cookie": "***", "header.x-plain": "yes",
    }  # fmt: skip
    said = json.loads(line({"fields": fields, "show": ["authorization"]}, "/", *given))
    assert (said["header.authorization"], said["header.cookie"]) == ("Bearer abc", "***")


@pytest.mark.parametrize("json_", [True, False])
def test_nothing_a_client_sends_breaks_out(json_: bool) -> None:
    """Quotes, backslashes, bytes past ASCII (CWE-117); controls don't get past the parser."""
    nasty = b'a"b\\c\xff\xc3\xa9 12345678 "'
    log: dict[str, Any] = {"fields": ["header.x-n"]} if json_ else {"format": '"{header.x-n}"'}
    with Gateway(fixed(), log=log) as gw, Client(gw.address) as c:
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-N: " + nasty + b"\r\n\r\n")
        said = gw.line()
    assert said.isascii()
    if json_:
        assert json.loads(said)["header.x-n"].encode("latin-1") == nasty
    else:
        assert said == r'"a\"b\\c\xff\xc3\xa9 12345678 \""'


#: What a string is made of: plain bytes, and each kind that is escaped.
ODD = b'ab ~!"\\\x80\xff\xc3\t'


@pytest.mark.parametrize("json_", [True, False])
def test_strings_of_every_length_are_escaped_byte_by_byte(json_: bool) -> None:
    """Strings are looked at in words, and what is left of them in parts of one."""

    def escaped(byte: int) -> str:
        if byte in b'"\\':
            return "\\" + chr(byte)
        if 32 <= byte < 127:
            return chr(byte)
        return f"\\u00{byte:02x}" if json_ else f"\\x{byte:02x}"

    log: dict[str, Any] = {"fields": ["header.x-n"]} if json_ else {"format": '"{header.x-n}"'}
    begin, end = ('{"header.x-n":', "}") if json_ else ("", "")
    odd = random.Random(5)
    with Gateway(fixed(), log=log) as gw, Client(gw.address) as c:
        for n in range(1, 36):
            plain = bytes(odd.choices(b"azAZ09-~ !#", k=n))
            for at in (None, *range(n)):
                value = bytearray(plain)
                if at is not None:
                    value[at] = odd.choice(ODD)
                said = bytes(value).strip(b" \t")
                c.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-N: " + bytes(value) + b"\r\n\r\n").answer()
                text = "".join(map(escaped, said)) or ("" if json_ else "-")
                assert gw.line() == f'{begin}"{text}"{end}'


def test_long_strings_are_cut() -> None:
    said = json.loads(line({"fields": ["path"]}, "/" + "x" * 4000))
    assert len(said["path"]) == 2048


def test_response_header() -> None:
    data = b"HTTP/1.1 200 OK\r\nX-Took: 7\r\nContent-Length: 0\r\n\r\n"
    log = {"fields": ["response_header.x-took", "response_header.set-cookie"]}
    with Origin(answering(data)) as origin, Gateway(upstream(origin.address), log=log) as gw:
        with Client(gw.address) as c:
            c.get("/")
        assert json.loads(gw.line()) == {"response_header.x-took": "7"}


# -- which lines -----------------------------------------------------------------------------


def lines(log: dict[str, Any], *targets: str) -> list[str]:
    """Paths of the lines that requests left."""
    routes = (fixed(), Route("lost", (Match("/lost"),), NOTHING))
    with Gateway(*routes, log={"fields": ["path"], **log}) as gw, Client(gw.address) as c:
        for target in targets:
            c.get(target)
        gw.counters()  # the turn that the last line was written in has ended
        found = []
        while b"\n" in gw._rest or gw.has_line():
            found.append(json.loads(gw.line())["path"])
        return found


def test_skip_and_keep() -> None:
    asked = ("/a", "/health", "/health/x", "/lost", "/b")
    assert lines({"skip": ["path=/health"]}, *asked) == ["/a", "/lost", "/b"]
    assert lines({"sample": 0, "keep": ["status=5xx"]}, *asked) == ["/lost"]
    assert lines({"skip": ["status=0-999"], "keep": ["route=lost"]}, *asked) == ["/lost"]
    assert lines({"sample": 0, "keep": ["reason=any,method=GET"]}, "/a", "/lost") == ["/a", "/lost"]
    assert lines({"sample": 0, "keep": ["slower_than=60s"]}, "/a") == []


def test_sample_is_about_what_was_asked_for() -> None:
    assert 20 < len(lines({"sample": "25%"}, *(["/"] * 200))) < 90


# -- sinks -----------------------------------------------------------------------------------


def test_ring_gets_the_lines_and_drops_when_full() -> None:
    ring = create_ring(4096)
    reader = RingReader(ring)
    with Gateway(fixed(), log={"fields": ["path"]}, log_ring=ring) as gw, Client(gw.address) as c:
        c.get("/first")
        assert reader.peek(4096) == b'{"path":"/first"}\n'
        for i in range(300):
            assert c.get(f"/{i:030}").status == 200
        assert reader.dropped > 0 and reader.written + reader.dropped == 301
        kept = reader.peek(4096)
        assert kept.endswith(b"}\n") and kept.count(b"\n") == reader.written
        reader.take(len(kept))
        c.get("/again")
        assert reader.peek(4096) == b'{"path":"/again"}\n'
    os.close(ring)


def test_line_that_does_not_fit_overwrites_nothing() -> None:
    ring = create_ring(4096)
    reader = RingReader(ring)
    with Gateway(fixed(), log={"fields": ["path"]}, log_ring=ring) as gw, Client(gw.address) as c:
        for letter in "abcd":
            assert c.get("/" + letter * 1500).status == 200
        paths = [json.loads(line)["path"] for line in reader.peek(4096).splitlines()]
    assert [path[1] for path in paths] == ["a", "b"][: len(paths)]
    assert reader.written == len(paths) and reader.written + reader.dropped == 4
    os.close(ring)


# -- the page --------------------------------------------------------------------------------


def test_every_field_is_on_the_page() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/access-log.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \|[^|]+\| (yes)? ?\|$", page, re.M)
    assert {name.removesuffix(".NAME") for name, _ in rows} == set(FIELDS)
    assert {name for name, yes in rows if yes} == set(DEFAULT)


def test_unknown_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="there is none that is called 'no_rute'"):
        with Gateway(fixed(), log={"keep": ["reason=no_rute"]}):
            pass
