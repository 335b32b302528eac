"""Two ways of doing the same, measured in turns, so that a busy computer disturbs both alike.

Not pytest-benchmark: it measures each way in a run of its own, one after the other, where only the
ratio of the two, taken side by side, says anything on a computer that has other work.
"""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

Work = Callable[[], object]


@dataclass(frozen=True)
class Line:
    """One line of BENCHMARKS.md: `value` is to be at most `most`, or at least for `is_floor`."""

    what: str
    plain: str
    ours: str
    value: float
    unit: str
    most: float
    limit: str = ""
    """What cannot be done about a target that is missed."""
    is_floor: bool = False

    @property
    def is_met(self) -> bool:
        return self.value >= self.most if self.is_floor else self.value <= self.most

    @property
    def share(self) -> float:
        """The value in parts of its target; at most 1 where it is met."""
        return self.most / self.value if self.is_floor else self.value / self.most


@dataclass
class Report:
    lines: list[Line] = field(default_factory=list)

    def ratio(
        self,
        what: str,
        ours: Work,
        plain: Work,
        most: float,
        *,
        rounds: int = 5,
        limit: str = "",
    ) -> float:
        """How long `ours` takes in parts of `plain`, by the medians of `rounds` in turns."""
        taken = in_turns([plain, ours], rounds)
        return self.add_ratio(what, taken[1], taken[0], most, limit=limit)

    def add_ratio(
        self, what: str, ours: float, plain: float, most: float, *, limit: str = ""
    ) -> float:
        self._add(Line(what, shown(plain), shown(ours), ours / plain, "x", most, limit))
        return ours / plain

    def more(self, what: str, ours: Work, plain: Work, most_ms: float, *, rounds: int = 5) -> None:
        """How many milliseconds `ours` takes more than `plain`."""
        taken = in_turns([plain, ours], rounds)
        more = 1000 * (taken[1] - taken[0])
        self._add(Line(what, shown(taken[0]), shown(taken[1]), more, "ms more", most_ms))

    def amount(
        self,
        what: str,
        value: float,
        unit: str,
        most: float,
        *,
        plain: str = "",
        limit: str = "",
        is_floor: bool = False,
    ) -> None:
        self._add(Line(what, plain, "", value, unit, most, limit, is_floor))

    def _add(self, line: Line) -> None:
        self.lines.append(line)


def in_turns(works: Sequence[Work], rounds: int) -> list[float]:
    """The median seconds of each of `works`, after one round that does not count."""
    taken: list[list[float]] = [[] for _ in works]
    for number in range(rounds + 1):
        for work, seconds in zip(works, taken, strict=True):
            began = time.perf_counter()
            work()
            if number:
                seconds.append(time.perf_counter() - began)
    return [median(seconds) for seconds in taken]


def peak_memory(work: Work) -> int:
    """The bytes of Python and numpy that `work` holds at most, beyond what was held before."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def processor_seconds(work: Work, times: int = 3) -> float:
    """What `work` takes of the processor, without what it waits for."""
    before = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - before) / times


def on_all_cores(seconds: float, times: int = 1) -> str:
    """What a work takes at least that took so many seconds of the processor, done so many times."""
    cores = os.cpu_count() or 1
    least = shown(seconds / times / cores)
    return (
        f"what the computer has to do beside the waiting takes {least} if all {cores} cores do it"
    )


def shown(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"
