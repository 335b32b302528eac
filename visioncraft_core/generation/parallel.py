"""A few things at once, in daemon threads: a program that ends does not wait for them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
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
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    outcomes: dict[int, tuple[R | None, Exception | None]] = {}
    for number in range(len(items)):
        waiting.put(number)

    def work() -> None:
        while True:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                outcomes[number] = function(items[number]), None
            except Exception as error:  # noqa: BLE001 - raised below, in the caller's thread
                outcomes[number] = None, error

    threads = [
        threading.Thread(
            target=copy_context().run, args=(work,), name="visioncraft-batch", daemon=True
        )
        for _ in range(min(max_concurrency, len(items)) - 1)
    ]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    for number in range(len(items)):
        if error := outcomes[number][1]:
            raise error
    return [outcomes[number][0] for number in range(len(items))]  # type: ignore[misc]
