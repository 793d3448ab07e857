"""Two small services for the demo, in one process: an orders API and a web page.

    python -m fastgw.demo.services FD FD     each a listening socket

Not an example of how to write an HTTP server: they answer curl and the gateway, no more.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial

#: Between two events of the stream, in seconds.
STREAM_STEP_S = 0.25
STREAM_EVENTS = 6

ORDERS = {
    1: {"id": 1, "item": "coffee", "state": "delivered"},
    2: {"id": 2, "item": "tea", "state": "on its way"},
    3: {"id": 3, "item": "sugar", "state": "packed"},
}
STATES = ("ordered", "paid", "packed", "on its way", "at the door", "delivered")

Fields = dict[str, str]
Service = Callable[[str, Fields, asyncio.StreamWriter], Awaitable[None]]


def answer(
    writer: asyncio.StreamWriter, status: str, body: bytes, kind: str = "application/json"
) -> None:
    """Write a whole answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


async def orders(path: str, fields: Fields, writer: asyncio.StreamWriter) -> None:
    """`/orders`, `/orders/ID`, `/orders/stream`; says which path it was asked for."""
    parts = [p for p in path.partition("?")[0].split("/") if p]
    if parts == ["orders", "stream"]:
        await stream(writer)
        return
    found: object = None
    if parts == ["orders"]:
        found = list(ORDERS.values())
    elif len(parts) == 2 and parts[0] == "orders" and parts[1].isdigit():
        found = ORDERS.get(int(parts[1]))
    seen = {"path": path, "forwarded_for": fields.get("x-forwarded-for", "")}
    said = {"orders": found, "seen": seen} if found else {"error": "no such order", "seen": seen}
    answer(writer, "200 OK" if found else "404 Not Found", json.dumps(said).encode() + b"\n")


async def stream(writer: asyncio.StreamWriter) -> None:
    """An order's states as they change, one chunk each (Server-Sent Events)."""
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        b"Cache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for state in STATES[:STREAM_EVENTS]:
        event = f"data: {json.dumps({'id': 2, 'state': state})}\n\n".encode()
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))
        await writer.drain()
        await asyncio.sleep(STREAM_STEP_S)
    writer.write(b"0\r\n\r\n")


PAGE = """<!doctype html>
<html lang="en"><title>fastgw demo</title>
<h1>It works</h1>
<p>This page came through the gateway. Try <a href="/orders">/orders</a>.</p>
"""


async def web(path: str, fields: Fields, writer: asyncio.StreamWriter) -> None:
    """One page."""
    answer(writer, "200 OK", PAGE.encode(), "text/html; charset=utf-8")


async def converse(
    service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Requests of one connection, one after the other."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            fields = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            await reader.readexactly(int(fields.get("content-length", "0")))
            await service(head[0].split(" ")[1], fields, writer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, IndexError, ValueError):
        pass
    finally:
        writer.close()


async def serve(fds: list[int]) -> None:
    """Serve on inherited sockets until TERM."""
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    for fd, service in zip(fds, (orders, web), strict=True):
        await asyncio.start_server(partial(converse, service), sock=socket.socket(fileno=fd))
    await end.wait()
    # Open connections are simply left; to cancel their tasks would only be noise.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(serve([int(fd) for fd in sys.argv[1:]]))
