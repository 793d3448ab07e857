"""What people use, through `fastgw run`: curl, httpx, the standard library, wrk, many at once."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests import foreign
from tests.process.gateway import Gateway
from tests.scenario.client import Client
from tests.scenario.service import Service

BIG = bytes(range(256)) * 40_000  # 10 MB
DEADLINE_S = 30.0


def run(run_dir: Path, *words: str) -> Gateway:
    """`fastgw run` on a free port."""
    return Gateway(
        [
            sys.executable,
            "-m",
            "fastgw",
            "run",
            "--run-dir",
            str(run_dir),
            "--workers",
            "1",
            *words,
        ]
    )


@dataclass
class Place:
    """A gateway in front of a service."""

    address: tuple[str, int]
    service: Service

    @property
    def url(self) -> str:
        """The gateway's."""
        return f"http://{self.address[0]}:{self.address[1]}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with Service() as service:
        words = ("--to", service.url, "--listen", "127.0.0.1:0", "--limit-body", "none")
        with run(tmp_path_factory.mktemp("run"), *words) as gw:
            address = gw.address()
            gw.ready()
            yield Place(address, service)


# -- curl --------------------------------------------------------------------------------------


def curl(*words: str, data: bytes = b"") -> bytes:
    """What curl prints."""
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    return subprocess.run(
        ["curl", "-sS", "--max-time", "20", *words],
        env=foreign.environment(),
        input=data,
        capture_output=True,
        check=True,
        timeout=DEADLINE_S,
    ).stdout


def test_curl_get(place: Place) -> None:
    host = f"{place.address[0]}:{place.address[1]}"
    assert curl(f"{place.url}/a%7Eb?c=d") == f"/a~b?c=d {host}\n".encode()
    assert curl("-H", "Host: other.test", f"{place.url}/") == b"/ other.test\n"


def test_curl_several_on_a_connection(place: Place) -> None:
    said = curl("-v", "--stderr", "-", *[f"{place.url}/{i}" for i in range(5)])
    assert said.count(b"Re-using existing connection") == 4


def test_curl_post(place: Place) -> None:
    assert curl("-d", "a=1&b=2", f"{place.url}/") == b"a=1&b=2"
    assert curl("--data-binary", "@-", f"{place.url}/", data=BIG) == BIG


def test_curl_upload(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(BIG)
    assert curl("-T", str(tmp_path / "file"), f"{place.url}/") == BIG
    # From a pipe the length is not known: chunked, with Expect.
    assert curl("-T", "-", "-H", "Expect: 100-continue", f"{place.url}/", data=BIG) == BIG


def test_curl_head(place: Place) -> None:
    said = curl("-I", f"{place.url}/").split(b"\r\n")
    assert said[0] == b"HTTP/1.1 200 OK"
    assert any(line.startswith(b"Content-Length: ") for line in said)


def test_curl_1_0(place: Place) -> None:
    said = curl("-i", "--http1.0", f"{place.url}/")
    assert said.startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\n\r\n/ 127.0.0.1" in said
    said = curl("-i", "--http1.0", "-d", "abc", f"{place.url}/")
    assert b"chunked" not in said and said.endswith(b"\r\n\r\nabc")


def test_curl_error_page(tmp_path: Path) -> None:
    with Service() as service:
        url = service.url
    with run(tmp_path, "--to", url, "--listen", "127.0.0.1:0") as gw:
        host, port = gw.address()
        gw.ready()
        page = json.loads(curl(f"http://{host}:{port}/"))
        assert (page["status"], page["reason"]) == (502, "connect_refused")
        assert b"<h1>502" in curl("-H", "Accept: text/html", f"http://{host}:{port}/")


# -- Python's ----------------------------------------------------------------------------------


def test_httpx(place: Place) -> None:
    with httpx.Client(base_url=place.url, timeout=DEADLINE_S) as c:
        for i in range(20):
            assert c.get(f"/{i}").text.startswith(f"/{i} ")
        assert c.post("/", json={"a": 1}).json() == {"a": 1}
        assert c.head("/").headers["Content-Length"].isdigit()
        assert c.put("/", content=BIG).content == BIG


def test_httpx_streams_both_ways(place: Place) -> None:
    pieces = [BIG[i : i + 100_000] for i in range(0, len(BIG), 100_000)]
    digest = hashlib.sha256()
    with httpx.Client(base_url=place.url, timeout=DEADLINE_S) as c:
        with c.stream("POST", "/", content=iter(pieces)) as r:
            for data in r.iter_bytes():
                digest.update(data)
    assert digest.digest() == hashlib.sha256(BIG).digest()


def test_http_client(place: Place) -> None:
    c = http.client.HTTPConnection(*place.address, timeout=DEADLINE_S)
    for i in range(10):
        c.request("GET", f"/{i}")
        assert c.getresponse().read().startswith(b"/%d " % i)
    c.request(
        "POST",
        "/",
        iter([b"abc", b"def"]),
        encode_chunked=True,
        headers={"Transfer-Encoding": "chunked"},
    )
    assert c.getresponse().read() == b"abcdef"
    c.close()


def test_urllib(place: Place) -> None:
    with urllib.request.urlopen(f"{place.url}/x", timeout=DEADLINE_S) as r:
        assert (r.status, r.read()[:3]) == (200, b"/x ")
    request = urllib.request.Request(f"{place.url}/", b"data", method="PUT")
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as r:
        assert r.read() == b"data"


# -- many --------------------------------------------------------------------------------------


def test_a_pipelining_client(place: Place) -> None:
    with Client(place.address) as c:
        c.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(500)))
        for i in range(500):
            assert c.answer().body == b"/%d a\n" % i


def test_wrk(place: Place) -> None:
    if shutil.which("wrk") is None:
        pytest.skip("no wrk here")
    before = place.service.connections
    said = subprocess.run(
        ["wrk", "-t1", "-c32", "-d1s", f"{place.url}/"],
        env=foreign.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
    ).stdout
    found = re.search(r"(\d+) requests in", said)
    assert found is not None and int(found[1]) > 100
    assert "Non-2xx" not in said and "Socket errors" not in said
    assert place.service.connections - before <= 32 + 1


def test_500_connections_at_once(place: Place) -> None:
    async def one(i: int, all_in: asyncio.Barrier) -> None:
        reader, writer = await asyncio.open_connection(*place.address)
        await all_in.wait()
        for n in range(4):
            writer.write(b"GET /%d.%d HTTP/1.1\r\nHost: a\r\n\r\n" % (i, n))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert await reader.readuntil(b"\n") == b"/%d.%d a\n" % (i, n)
        writer.close()
        await writer.wait_closed()

    async def everyone() -> None:
        all_in = asyncio.Barrier(500)
        await asyncio.gather(*(one(i, all_in) for i in range(500)))

    asyncio.run(asyncio.wait_for(everyone(), DEADLINE_S))


# -- routes --------------------------------------------------------------------------------------

ROUTES = """\
version: 1
listen:
  http: 127.0.0.1:0
upstreams:
  orders:
    servers: [{orders}, {more}]
  web:
    servers: [{web}]
    host: upstream
routes:
  orders:
    match: /orders/*
    upstream: orders
  exact:
    match: /exact
    upstream: web
  shop:
    match: shop.test/*
    upstream: web
  api:
    match: /api/v1/*
    rewrite: {{strip_prefix: /api/v1}}
    upstream: orders
"""


def test_routes_of_a_file(tmp_path: Path) -> None:
    with Service("orders") as orders, Service("more") as more, Service("web") as web:
        file = tmp_path / "gateway.yaml"
        file.write_text(ROUTES.format(orders=orders.url, more=more.url, web=web.url))
        with run(tmp_path / "run", str(file)) as gw:
            host, port = gw.address()
            gw.ready()
            with httpx.Client(base_url=f"http://{host}:{port}", timeout=DEADLINE_S) as c:
                by = Counter(c.get("/orders/1").headers["X-Service"] for _ in range(10))
                assert by == {"orders": 5, "more": 5}
                assert c.get("/orders").status_code == 200
                assert c.get("/orders/1", headers={"Host": "a.test"}).text == "/orders/1 a.test\n"
                assert c.get("/api/v1/orders/7").text.startswith("/orders/7 ")
                exact = c.get("/exact", headers={"Host": "a.test"})
                assert exact.headers["X-Service"] == "web"
                assert exact.text == f"/exact 127.0.0.1:{web.address[1]}\n"
                assert c.get("/exact/more").json()["reason"] == "no_route"
                assert c.get("/any", headers={"Host": "shop.test:80"}).headers["X-Service"] == "web"
                assert c.get("/any", headers={"Host": "b.test"}).status_code == 404
