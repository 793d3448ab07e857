"""Policies of the scenarios."""

from __future__ import annotations

import asyncio
import contextlib

import fastgw


class SlowResponse(fastgw.Policy):
    """Lets every response wait a little."""

    async def on_response(self, request: fastgw.Request, response: fastgw.Response) -> None:
        await asyncio.sleep(0.03)


class SlowRequest(fastgw.Policy):
    """Lets every request wait a little."""

    async def on_request(self, request: fastgw.Request) -> None:
        await asyncio.sleep(0.03)


class Fails(fastgw.Policy):
    """Raises."""

    def on_request(self, request: fastgw.Request) -> None:
        raise RuntimeError("on purpose")


class Never(fastgw.Policy):
    """Waits for ever."""

    async def on_request(self, request: fastgw.Request) -> None:
        await asyncio.Event().wait()


class Injects(fastgw.Policy):
    """Tries to write a field within a field, both ways, and goes on if it may not."""

    VALUES = ("a\r\nSet-Cookie: b=c", "a\nSet-Cookie: b=c", "a\rb", "a\0b")

    def on_request(self, request: fastgw.Request) -> None:
        self.inject(request.headers)

    def on_response(self, request: fastgw.Request, response: fastgw.Response) -> None:
        self.inject(response.headers)

    def inject(self, headers: fastgw.Headers) -> None:
        """Try every value, as text and as bytes."""
        for value in self.VALUES:
            for one in (value, value.encode()):
                with contextlib.suppress(ValueError):
                    headers.set("X-Odd", one)
                with contextlib.suppress(ValueError):
                    headers.add("X-Odd\r\nX-B", "b")


class Teapot(fastgw.Policy):
    """Answers itself."""

    def on_request(self, request: fastgw.Request) -> fastgw.Response:
        return fastgw.Response(418, {}, "short and stout\n")
