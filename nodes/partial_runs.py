"""Runs of a node that gave less than was requested, which ComfyUI would keep for good."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

MOST = 64


class PartialRuns:
    """The inputs of such runs of one node; its IS_CHANGED returns the `mark`."""

    def __init__(self) -> None:
        self._inputs: deque[tuple[int, dict[str, Any]]] = deque(maxlen=MOST)
        self._numbers = itertools.count(1)

    def note(self, inputs: dict[str, Any]) -> None:
        # Only what a widget can hold: pictures are not to be kept.
        held = {name: v for name, v in inputs.items() if isinstance(v, str | int | float)}
        self._inputs.append((next(self._numbers), held))

    def mark(self, constants: dict[str, Any]) -> int:
        """Another number after each of them that had these inputs, else 0. A linked one comes as
        None, and may have been anything."""
        given = {name: value for name, value in constants.items() if value is not None}
        numbers = (
            number
            for number, inputs in tuple(self._inputs)  # another thread may note one meanwhile
            if all(inputs.get(name) == value for name, value in given.items())
        )
        return max(numbers, default=0)
