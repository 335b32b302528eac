"""A few things at once, in daemon threads: a program that ends does not wait for them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
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
    waiting: queue.SimpleQueue[tuple[int, T]] = queue.SimpleQueue()
    results: dict[int, R] = {}
    errors: dict[int, Exception] = {}
    for numbered in enumerate(items):
        waiting.put(numbered)

    def work() -> None:
        with suppress(queue.Empty):
            while True:
                number, item = waiting.get_nowait()
                try:
                    results[number] = function(item)
                except Exception as error:  # noqa: BLE001 - raised below, in the caller's thread
                    errors[number] = error

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
    if errors:
        raise errors[min(errors)]
    return [results[number] for number in range(len(items))]
