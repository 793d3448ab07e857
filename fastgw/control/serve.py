"""An ASGI application on a socket that listens already."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import uvicorn
import uvicorn.protocols.http.httptools_impl  # now, not when it may not be read any more
from starlette.types import ASGIApp

KEEP_ALIVE_S = 15
#: Requests under way; more are answered 503. An API for operators needs few.
MOST_REQUESTS = 64
#: A client that has not ended its request by then is left behind at the end.
END_S = 2
#: How often the text of the `Date` field is written anew.
DATE_S = 1.0


class Server(uvicorn.Server):
    """uvicorn, without its signal handlers (the process has its own) and its ten wake-ups a
    second, which would be most of what an idle gateway costs."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ended = asyncio.Event()

    async def main_loop(self) -> None:
        """Keep the date up until told to end."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), DATE_S)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    def leave(self) -> None:
        """Accept nothing more, at once: somebody else accepts from the same socket."""
        for server in getattr(self, "servers", ()):
            server.close()
        self.end()

    def end(self) -> None:
        """Let requests under way end, then `serve` returns."""
        self.should_exit = True
        self._ended.set()


def new_server(app: ASGIApp) -> Server:
    """A server of an application; `serve(sockets=[...])` makes it go."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=END_S,
        limit_concurrency=MOST_REQUESTS,
    )
    return Server(config)
