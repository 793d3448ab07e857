"""An origin in a process of its own: `python -m tests.process.echo FD`, a listening socket.

It does what `service.serve` does, answers requests with `ok` and sends back what comes through
a tunnel, without taking the interpreter from the clients of a test, and without a thread for
each of thousands of tunnels.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from types import TracebackType

from tests.scenario.test_client_tunnel import AGREED

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class EchoOrigin:
    """The process, for as long as the context lasts; `address` is where it listens."""

    def __init__(self) -> None:
        # Listens before the process does: nobody has to wait for it.
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.address: tuple[str, int] = self._listener.getsockname()

    def __enter__(self) -> EchoOrigin:
        fd = self._listener.fileno()
        command = [sys.executable, "-m", "tests.process.echo", str(fd)]
        self._process = subprocess.Popen(command, pass_fds=[fd])
        self._listener.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(10)


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Requests of one connection, one after the other, or a tunnel."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"\r\nupgrade:" in head:
                writer.write(AGREED)
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
                return
            if b"\r\ntransfer-encoding:" in head:
                await body_of(reader)
            writer.write(OK)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def body_of(reader: asyncio.StreamReader) -> None:
    """Read a chunked body to its end."""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        await reader.readexactly(size + 2)
    await reader.readexactly(2)


async def serve(fd: int) -> None:
    """Serve on a socket until killed, or until the test that started us is gone."""
    parent = os.getppid()
    await asyncio.start_server(converse, sock=socket.socket(fileno=fd), backlog=4096)
    while os.getppid() == parent:
        await asyncio.sleep(1)


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
