"""Blocking work beside an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from typing import Generic, TypeVar

from .cancellation import ShouldCancel

T = TypeVar("T")


class Background(Generic[T]):
    """`work` in a daemon thread of its own, in this context; wait for `done`, then ask `result`.

    Not the loop's executor: that one is shared, can be full, and `asyncio.run` waits for all of it
    at the end, which would hold up a cancelled run.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._outcome: Future[T] = Future()
        self.done: asyncio.Future[None] = self._loop.create_future()
        run = copy_context().run
        threading.Thread(target=run, args=(self._run,), name="visioncraft", daemon=True).start()

    def result(self) -> T:
        """What `work` gave; raises what it raised."""
        if error := self._outcome.exception(0):
            raise error from None
        return self._outcome.result(0)

    def _run(self) -> None:
        try:
            self._outcome.set_result(self._work())
        except BaseException as error:  # noqa: BLE001 - `result` raises it where it is awaited
            self._outcome.set_exception(error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def run_in_thread(work: Callable[[ShouldCancel], T]) -> T:
    """What blocking `work` gives. Cancelling this tells `work` to end, and does not wait for it."""
    cancel = threading.Event()
    job = Background(lambda: work(cancel.is_set))
    try:
        await job.done
    finally:
        cancel.set()
    return job.result()


def in_event_loop(callback: Callable[[T], None] | None) -> Callable[[T], None] | None:
    """A function for other threads that has `callback` called in the running event loop."""
    if callback is None:
        return None
    loop = asyncio.get_running_loop()

    def call(news: T) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(callback, news)

    return call
