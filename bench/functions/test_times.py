"""Times of the data plane's functions, and of the statistics that judge them."""

from __future__ import annotations

from typing import Any

import h11
import httptools
import pytest

from bench import statistics
from bench.functions import inputs
from bench.parser import feed_h11, feed_llhttp, upgrades
from fastgw.ext.load.histogram import Histogram
from fastgw.ext.testing import drivers

DRIVES = inputs.drives()
#: Calls in one timed loop.
LOOPS = 200


@pytest.mark.parametrize("name", DRIVES)
def test_driver(benchmark: Any, name: str) -> None:
    drive, arguments = DRIVES[name]
    benchmark.group = "data plane, a loop of 200"
    calls = benchmark(drive, *arguments, LOOPS)
    benchmark.extra_info["calls"] = calls


@pytest.mark.parametrize("who", ["fastgw", "llhttp", "h11"])
def test_heads_of_the_corpus(benchmark: Any, who: str) -> None:
    """Every head once; the interpreter's share is in llhttp's and h11's."""
    heads = [head for head in inputs.requests() if not upgrades(head)]
    benchmark.group = "a pass over the corpus of heads"
    if who == "fastgw":
        benchmark(drivers.drive_requests, heads, 1)
        return
    feeds = [(feed_llhttp if who == "llhttp" else feed_h11)(head) for head in heads]
    benchmark(lambda: [feed() for feed in feeds])


@pytest.mark.parametrize("who", ["fastgw", "llhttp", "h11"])
def test_chunked_body(benchmark: Any, who: str) -> None:
    """64 KiB in 16 chunks."""
    benchmark.group = "a chunked body of 64 KiB"
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    if who == "fastgw":
        benchmark(drivers.drive_chunks, inputs.CHUNKED, 1)
    elif who == "llhttp":
        benchmark(lambda: httptools.HttpRequestParser(object()).feed_data(head + inputs.CHUNKED))
    else:
        benchmark(read_by_h11, head + inputs.CHUNKED)


def read_by_h11(data: bytes) -> None:
    """A whole request."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    while not isinstance(connection.next_event(), h11.EndOfMessage):
        pass


def test_bootstrap(benchmark: Any) -> None:
    benchmark.group = "statistics"
    benchmark(statistics.spread, [20.0, 21.0, 19.5, 22.0, 20.5, 20.1, 23.0])


def test_histogram_quantiles(benchmark: Any) -> None:
    benchmark.group = "statistics"
    h = Histogram()
    for i in range(10_000):
        h.record(i * i)
    benchmark(lambda: [h.quantile(q) for q in (0.5, 0.9, 0.99, 0.999)])
