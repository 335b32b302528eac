"""A few things at once, in daemon threads: a program that ends does not wait for them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def parallel_map(function: Callable[[T], R], items: Sequence[T], max_concurrency: int) -> list[R]:
    """`function` of each item, in their order; at most `max_concurrency` run at the same time, one
    of them in the caller's thread.

    Not an executor of the standard library: the interpreter waits for all of its threads at exit.
    Raises the first error by order, after all have ended.
    """
    futures: list[Future[R]] = [Future() for _ in items]
    waiting = deque(zip(futures, items, strict=True))

    def work() -> None:
        while waiting:
            try:
                future, item = waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            try:
                future.set_result(function(item))
            except BaseException as error:
                future.set_exception(error)  # raised below, in the caller's thread
                if not isinstance(error, Exception):
                    raise

    for _ in range(min(max_concurrency, len(items)) - 1):
        run = copy_context().run
        threading.Thread(target=run, args=(work,), name="visioncraft-batch", daemon=True).start()
    work()
    wait(futures)
    return [future.result() for future in futures]
