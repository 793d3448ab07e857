"""Plugins of the tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from contextvars import ContextVar
from typing import Any

import fastgw

#: What plugins of this module have to say to their test.
notes: list[Any] = []
#: What the async plugins wait for; made by the test, in its loop.
gates: dict[str, asyncio.Event] = {}
VISITOR: ContextVar[str] = ContextVar("VISITOR", default="nobody")


class Empty(fastgw.Policy):
    """Overrides nothing."""


class Sync(fastgw.Policy):
    """Edits both ways, keeps what it saw."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options

    def on_request(self, request: fastgw.Request) -> fastgw.Response | None:
        notes.append(request)
        request.headers.set("X-Plugin", request.path)
        request.headers.add("X-Many", b"1")
        request.headers.remove("x-gone")
        if request.query == "stop":
            return fastgw.Response(418, {"X-Why": "stopped"}, "short and stout\n")
        return None

    def on_response(self, request: fastgw.Request, response: fastgw.Response) -> None:
        notes.append(response)
        response.headers.set("X-Seen", f"{response.status} {request.method}")
        if response.status == 404:
            response.status = 410

    def on_log(self, record: fastgw.Record) -> None:
        notes.append(record)


class Waits(fastgw.Policy):
    """Waits in each hook that its options name, then edits."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.waits = options.get("waits", ["on_request"])

    async def wait(self, hook: str) -> None:
        if hook in self.waits:
            try:
                await gates[hook].wait()
            except asyncio.CancelledError:
                notes.append(f"{hook} cancelled")
                raise

    async def on_request(self, request: fastgw.Request) -> fastgw.Response | None:
        await self.wait("on_request")
        request.headers.set("X-Waited", "yes")
        return fastgw.Response(403, body="no\n") if request.query == "stop" else None

    async def on_response(
        self, request: fastgw.Request, response: fastgw.Response
    ) -> fastgw.Response | None:
        await self.wait("on_response")
        response.headers.set("X-Waited", "yes")
        return fastgw.Response(502, body="late\n") if request.query == "late" else None

    async def on_log(self, record: fastgw.Record) -> None:
        await self.wait("on_log")
        notes.append(record)


class Stubborn(fastgw.Policy):
    """Does not let itself be cancelled."""

    async def on_request(self, request: fastgw.Request) -> fastgw.Response | None:
        try:
            await gates["on_request"].wait()
        except asyncio.CancelledError:
            notes.append("refused to go")
        await gates["end"].wait()
        try:
            request.headers.set("X-Late", "1")
        except fastgw.ViewExpired as error:
            notes.append(error)
        return fastgw.Response(200, body="late\n")


class Tools(fastgw.Policy):
    """Uses what needs a current task from its first step on."""

    async def on_request(self, request: fastgw.Request) -> None:
        VISITOR.set(request.path)
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            first = group.create_task(asyncio.sleep(0, "a"))
            second = group.create_task(asyncio.sleep(0, "b"))
        await asyncio.wait_for(asyncio.sleep(0), 5)
        request.headers.set("X-Tools", f"{first.result()}{second.result()} {VISITOR.get()}")


class Wrong(fastgw.Policy):
    """Fails in the way its options say."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self.way = options["way"]

    def on_request(self, request: fastgw.Request) -> Any:
        request.headers.set("X-Before", "1")
        if self.way == "raises":
            raise LookupError("nobody home")
        if self.way == "awaits":
            return self.awaits()
        if self.way == "status":
            response = fastgw.Response()
            response.status = 99
            return response
        if self.way == "splits":
            request.headers.set("X-Split", "a\r\nb: c")
        if self.way == "host":
            request.headers.set("Host", "evil")
        return 42

    async def awaits(self) -> None:
        raise LookupError("nobody home")


class EditsTooLate(fastgw.Policy):
    """Changes the request when it has long been sent."""

    def on_response(self, request: fastgw.Request, response: fastgw.Response) -> None:
        request.headers.set("X-Late", "1")


class SetsStatus(fastgw.Policy):
    """Changes the status to what its options say."""

    def __init__(self, options: Mapping[str, int]) -> None:
        self.status = options["status"]

    def on_response(self, request: fastgw.Request, response: fastgw.Response) -> None:
        response.status = self.status


class Future(fastgw.Policy):
    """Returns an awaitable that is no coroutine."""

    def on_request(self, request: fastgw.Request) -> Awaitable[fastgw.Response | None]:
        future: asyncio.Future[fastgw.Response | None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future


class NotAPolicy:
    """No subclass of fastgw.Policy."""
