"""Runs of a node that gave less than was asked, which ComfyUI would keep for good."""

from __future__ import annotations

from collections import deque
from typing import Any

MOST = 64


class Unfinished:
    """What one node was asked in such runs; its IS_CHANGED tells `count`."""

    def __init__(self) -> None:
        self._asked: deque[dict[str, Any]] = deque(maxlen=MOST)

    def note(self, inputs: dict[str, Any]) -> None:
        # Only what a widget can hold: pictures are not to be kept.
        held = {name: v for name, v in inputs.items() if isinstance(v, str | int | float)}
        self._asked.append(held)

    def count(self, constants: dict[str, Any]) -> int:
        """How many of them had these inputs. A linked one comes as None, and may have been
        anything."""
        given = {name: value for name, value in constants.items() if value is not None}
        return sum(
            all(asked.get(name) == value for name, value in given.items())
            for asked in tuple(self._asked)  # another thread may note one meanwhile
        )
