"""An upstream for real clients: echoes what it is sent, on one asyncio loop in its own thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType

DEADLINE_S = 10.0


class Service:
    """GET answers its target and Host, HEAD the same without a body; a body is sent back in chunks
    while it is still coming. `connections` counts what was accepted."""

    def __init__(self, name: str = "service") -> None:
        self.name = name.encode()
        self.connections = 0
        self.requests = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._main, daemon=True)

    def _main(self) -> None:
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        )
        self.address: tuple[str, int] = self._server.sockets[0].getsockname()
        self._loop.call_soon(self._started.set)
        self._loop.run_forever()
        self._server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.address[1]}"

    def __enter__(self) -> Service:
        self._thread.start()
        assert self._started.wait(DEADLINE_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_S)

    # -- in the loop -------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self._answer(await reader.readuntil(b"\r\n\r\n"), reader, writer)
        writer.close()

    async def _answer(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.requests += 1
        lines = head.split(b"\r\n")
        method, target, _ = lines[0].split(b" ")
        fields = {k.lower(): v.strip() for k, _, v in (x.partition(b":") for x in lines[1:-2])}
        if b"expect" in fields:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        start = b"HTTP/1.1 200 OK\r\nX-Service: " + self.name + b"\r\n"
        if method in (b"GET", b"HEAD"):
            body = target + b" " + fields[b"host"] + b"\n"
            writer.write(start + b"Content-Length: %d\r\n\r\n" % len(body))
            writer.write(b"" if method == b"HEAD" else body)
        else:
            writer.write(start + b"Transfer-Encoding: chunked\r\n\r\n")
            await self._echo(fields, reader, writer)
        await writer.drain()

    async def _echo(
        self,
        fields: dict[bytes, bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        left = int(fields.get(b"content-length", b"0"))
        while left:
            data = await reader.read(min(left, 65536))
            if not data:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(data)
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
        if fields.get(b"transfer-encoding") == b"chunked":
            while size := int(await reader.readline(), 16):
                data = (await reader.readexactly(size + 2))[:-2]
                writer.write(b"%x\r\n%s\r\n" % (size, data))
                await writer.drain()
            await reader.readuntil(b"\r\n")
        writer.write(b"0\r\n\r\n")
