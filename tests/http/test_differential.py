"""Second opinions: what is accepted here, llhttp (httptools) and h11 accept with the same result.

The other way round they accept more, which is the point. Where they refuse or read otherwise
what is accepted here, the difference is a row of this table and is worked into the comparison;
any other difference fails.

| accepted here | llhttp | h11 | right because |
|---|---|---|---|
| methods that llhttp does not list | refuses | same | RFC 9110 section 9.1: they are open |
| one empty line before the request line | same | refuses | RFC 9112 section 2.2 |
| a tab around `chunked` | refuses | same | RFC 9110 section 5.5: it is not part of the value |
| a target in absolute form | Host as received | Host as received | RFC 9112 section 3.2.2 |
| Upgrade with its connection option | body not read | same | httptools' way to tell of it |
"""

from __future__ import annotations

import re
from typing import Any

import h11
import httptools
import pytest
from hypothesis import given, settings

from fastgw.ext.testing.http_doors import Chunked, parse_request, parse_response
from tests.http.messages import chunked_bodies, requests, responses
from tests.wire.cases import Case, read_cases

Rows = list[tuple[bytes, bytes]]
#: Methods that llhttp knows and that are used here.
LLHTTP_METHODS = {b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE"}
TAB_CODING = re.compile(rb"(?i)\ntransfer-encoding:( *\t|[^\r]*\t[ \t]*\r)")
CASES = [case for case in read_cases() if not case.is_response]


class Sink:
    """What llhttp tells of."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.complete = False
        self.head_over = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.head_over = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


def llhttp_request(data: bytes) -> Sink:
    """Read by llhttp; raises when it refuses."""
    sink = Sink()
    try:
        httptools.HttpRequestParser(sink).feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    return sink


def h11_request(data: bytes) -> h11.Request:
    """Read by h11; raises when it refuses."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    event = connection.next_event()
    assert isinstance(event, h11.Request), event
    return event


def trimmed(rows: Rows) -> Rows:
    """Names without case; llhttp leaves white space at a value's end."""
    return [(name.lower(), value.strip(b" \t")) for name, value in rows]


def as_received(found: dict[str, Any], rows: Rows) -> Rows:
    """Our rows, with the Host that was received in place of an absolute form's authority."""
    ours = [(name.lower(), value) for name, value, _ in found["fields"]]
    if not found["scheme"]:
        return ours
    received = [value for name, value in rows if name == b"host"]
    return [(n, received[0] if n == b"host" and received else v) for n, v in ours]


def check_llhttp(data: bytes, found: dict[str, Any]) -> None:
    """Target, fields and framing."""
    head = data[: found["consumed"]]
    if found["method"] not in LLHTTP_METHODS or TAB_CODING.search(head):
        return
    sink = llhttp_request(head)
    rows = trimmed(sink.headers)
    assert sink.head_over
    assert sink.url == found["raw_target"]
    assert as_received(found, rows) == rows
    if "upgrade" not in found["flags"]:
        no_body = found["framing"] == "none" or found["content_length"] == 0
        assert sink.complete is (no_body and found["framing"] != "chunked")


def check_h11(data: bytes, found: dict[str, Any]) -> None:
    """Method, target, version, fields."""
    event = h11_request(data[: found["consumed"]].removeprefix(b"\r\n"))
    rows = [(bytes(name), bytes(value)) for name, value in event.headers]
    assert (bytes(event.method), bytes(event.target)) == (found["method"], found["raw_target"])
    assert bytes(event.http_version) == b"1.%d" % found["minor"]
    ours = as_received(found, rows)
    assert [pair for pair in ours if pair[0] not in (b"content-length", b"transfer-encoding")] == [
        pair for pair in rows if pair[0] not in (b"content-length", b"transfer-encoding")
    ]


def compare_request(data: bytes) -> bool:
    """Compare what is accepted; whether it was."""
    found = parse_request(data)
    if "consumed" not in found:
        return False
    check_llhttp(data, found)
    check_h11(data, found)
    return True


@given(requests())
@settings(max_examples=400, deadline=None)
def test_accepted_requests(data: bytes) -> None:
    """Generated heads."""
    compare_request(data)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.accepted and not c.limits], ids=lambda case: str(case.name)
)
def test_accepted_cases(case: Case) -> None:
    """The wire cases that are accepted."""
    assert compare_request(case.raw)


@given(responses())
@settings(max_examples=200, deadline=None)
def test_accepted_responses(data: bytes) -> None:
    """Generated answers: status and fields as llhttp reads them."""
    found = parse_response(data)
    if "consumed" not in found:
        return
    sink = Sink()
    parser = httptools.HttpResponseParser(sink)
    try:
        parser.feed_data(data[: found["consumed"]])
    except httptools.HttpParserUpgrade:
        pass
    assert sink.head_over
    assert parser.get_status_code() == found["status"]
    assert trimmed(sink.headers) == [(name.lower(), value) for name, value, _ in found["fields"]]


@given(chunked_bodies())
@settings(max_examples=300, deadline=None)
def test_accepted_bodies(data: bytes) -> None:
    """Generated chunked bodies: the same data, and the same end."""
    ours = Chunked()
    if ours.feed(data) != "end":
        return
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = data[: len(data) - len(ours.rest)]
    sink = llhttp_request(head + body)
    assert sink.complete and sink.body == b"".join(ours.pieces)
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head + body)
    events: list[object] = []
    while not events or not isinstance(events[-1], h11.EndOfMessage | h11.Request):
        events.append(connection.next_event())
        if isinstance(events[-1], h11.Request) and len(events) == 1:
            events.append(connection.next_event())
    got = b"".join(bytes(e.data) for e in events if isinstance(e, h11.Data))
    assert got == b"".join(ours.pieces)
    assert connection.trailing_data[0] == b""
