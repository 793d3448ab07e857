"""HookTask: a coroutine of a plugin, begun within the call that made it.

asyncio's own Task begins in the loop's next round, which would make every `async def` hook
wait, and eager tasks exist only from Python 3.12 on. This one makes the first step at
once: a coroutine that finishes without waiting costs one object and no round of the loop.
It is a task by asyncio's protocol for other implementations ("Extending": register, enter,
leave), so that timeouts, task groups and HTTP clients find a current task.
"""

import asyncio
from asyncio.tasks import _enter_task, _leave_task, _register_task
from contextvars import copy_context


class HookTask(asyncio.Future):
    """The future of one coroutine; `on_end(task)` is called as soon as it has ended."""

    def __init__(self, coroutine, loop, name, on_end=None):
        super().__init__(loop=loop)
        self.on_end = on_end
        self._coro = coroutine
        self._name = name
        self._context = copy_context()
        self._fut_waiter = None
        self._must_cancel = False
        self._cancels = 0

    def begin(self) -> None:
        """Run to the first point where it waits, or to its end."""
        self._context.run(self._step)
        if not self.done():
            _register_task(self)

    # -- what asyncio asks of a task -----------------------------------------------------

    def cancel(self, msg=None):
        """Throw CancelledError into the coroutine in the loop's next round."""
        if self.done():
            return False
        self._cancels += 1
        if self._fut_waiter is None or not self._fut_waiter.cancel(msg):
            self._must_cancel = True
        return True

    def cancelling(self):
        """How many cancellations were asked for and not taken back."""
        return self._cancels

    def uncancel(self):
        """Take one cancellation back."""
        if self._cancels > 0:
            self._cancels -= 1
        return self._cancels

    def get_coro(self):
        """The coroutine."""
        return self._coro

    def get_name(self):
        """The hook's name, for logs."""
        return self._name

    def set_name(self, name):
        """Name it otherwise."""
        self._name = str(name)

    # -- steps -----------------------------------------------------------------------------

    def _step(self, error=None) -> None:
        """Run to the next point where it waits; as the loop's current task."""
        if self.done():
            return
        if self._must_cancel:
            self._must_cancel = False
            if not isinstance(error, asyncio.CancelledError):
                error = asyncio.CancelledError()
        self._fut_waiter = None
        loop = self.get_loop()
        outer = asyncio.current_task(loop)
        if outer is not None:
            _leave_task(loop, outer)
        _enter_task(loop, self)
        try:
            self._run(error)
        finally:
            _leave_task(loop, self)
            if outer is not None:
                _enter_task(loop, outer)
        if self.done() and self.on_end is not None:
            on_end, self.on_end = self.on_end, None
            on_end(self)

    def _run(self, error) -> None:
        """One step, and what came of it."""
        try:
            awaited = self._coro.send(None) if error is None else self._coro.throw(error)
        except StopIteration as end:
            if self._must_cancel:
                super().cancel()
            else:
                self.set_result(end.value)
        except asyncio.CancelledError:
            super().cancel()
        except (KeyboardInterrupt, SystemExit) as failure:
            self.set_exception(failure)
            raise
        except BaseException as failure:
            self.set_exception(failure)
        else:
            self._await(awaited)

    def _await(self, awaited) -> None:
        """Go on when `awaited` is done; a bare yield goes on in the next round."""
        blocking = getattr(awaited, "_asyncio_future_blocking", None)
        if blocking and awaited is not self:
            awaited._asyncio_future_blocking = False
            awaited.add_done_callback(self._wake, context=self._context)
            self._fut_waiter = awaited
            if self._must_cancel and awaited.cancel():
                self._must_cancel = False
        elif awaited is None:
            self.get_loop().call_soon(self._step, context=self._context)
        else:
            wrong = RuntimeError(f"a hook can't wait for {awaited!r}")
            self.get_loop().call_soon(self._step, wrong, context=self._context)

    def _wake(self, future) -> None:
        """What was awaited is done."""
        try:
            future.result()
        except BaseException as error:
            self._step(error)
        else:
            self._step()
