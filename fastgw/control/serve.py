"""An ASGI application on a socket that listens already."""

from __future__ import annotations

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


class Server(uvicorn.Server):
    """uvicorn, without its signal handlers: the process has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    def leave(self) -> None:
        """Accept nothing more, at once: somebody else accepts from the same socket."""
        for server in getattr(self, "servers", ()):
            server.close()
        self.should_exit = True


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
