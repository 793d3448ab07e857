"""Policies of the scenarios."""

from __future__ import annotations

import asyncio

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


class Teapot(fastgw.Policy):
    """Answers itself."""

    def on_request(self, request: fastgw.Request) -> fastgw.Response:
        return fastgw.Response(418, {}, "short and stout\n")
