"""HookTask: a coroutine begun at once that is a task to asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from fastgw.ext.policy.hooktask import HookTask

Main = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Main], None]:
    """Runs a coroutine function on one kind of loop, with a deadline."""
    return lambda main: request.param(asyncio.wait_for(main(), 10))


def begin(coroutine: Coroutine[Any, Any, Any], ended: list[HookTask] | None = None) -> HookTask:
    """A task that has made its first step."""
    on_end = ended.append if ended is not None else None
    task = HookTask(coroutine, asyncio.get_running_loop(), "test", on_end)
    task.begin()
    return task


async def give(value: Any) -> Any:
    """Does not wait."""
    return value


async def wait(awaitable: Awaitable[Any]) -> Any:
    """Waits for one thing."""
    return await awaitable


def test_ends_within_begin(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        ended: list[HookTask] = []
        task = begin(give(7), ended)
        assert (task.done(), task.result(), ended) == (True, 7, [task])

    run(main)


def test_waits_and_is_awaited(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        ended: list[HookTask] = []
        task = begin(wait(future), ended)
        others: set[object] = {*asyncio.all_tasks()}
        assert task in others
        future.set_result(8)
        assert await task == 8
        assert ended == [task]

    run(main)


def test_exceptions(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        task = begin(wait(future))
        future.set_exception(LookupError("gone"))
        with pytest.raises(LookupError, match="gone"):
            await task

    run(main)


def test_current_task_is_put_back(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        mine = asyncio.current_task()
        seen: list[object] = []

        async def look() -> None:
            seen.append(asyncio.current_task())
            await asyncio.sleep(0)
            seen.append(asyncio.current_task())

        task = begin(look())
        assert asyncio.current_task() is mine
        await task
        assert seen == [task, task]

    run(main)


def test_cancel_while_waiting(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        task = begin(wait(future))
        assert task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert future.cancelled()
        assert (task.cancelled(), task.cancel(), task.cancelling()) == (True, False, 1)

    run(main)


def test_cancel_between_rounds(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        task = begin(asyncio.sleep(0))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)


def test_timeout_inside(run: Callable[[Main], None]) -> None:
    """asyncio.timeout cancels its task, takes it back and raises TimeoutError."""

    async def main() -> None:
        async def slow() -> str:
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(10)
            except TimeoutError:
                return "late"
            return "never"

        task = begin(slow())
        assert await task == "late"
        assert task.cancelling() == 0

    run(main)


def test_waiting_for_nonsense(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        class Odd:
            def __await__(self) -> Any:
                yield 42

        with pytest.raises(RuntimeError, match="can't wait for 42"):
            await begin(wait(Odd()))

    run(main)


def test_gathers_with_others(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        tasks = [begin(wait(asyncio.sleep(0, i))) for i in range(5)]
        assert await asyncio.gather(*tasks) == [0, 1, 2, 3, 4]

    run(main)


def test_ends_with_its_loop() -> None:
    """What is left over is cancelled when the loop ends, like any task."""
    ended: list[HookTask] = []

    async def main() -> None:
        begin(asyncio.sleep(60), ended)

    asyncio.run(main())
    assert [task.cancelled() for task in ended] == [True]
