"""What the sandbox knows of one kind of subject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..colour import RGB
from ..pen import Pen


@dataclass(frozen=True)
class Kind:
    """One entry of the cast: how to draw it, which words mean it, where it is at home."""

    draw: Callable[[Pen], None]
    words: str
    colour: RGB
    accent: RGB | None = None
    place: str = "ground"
    """ground, sky, air (flies, but near), water (afloat), or flat (a figure without weight)."""
    setting: str = "meadow"
    """Where it is shown when the prompt names no place."""
    size: float = 1.0
    """Relative to other subjects."""
    behind: bool = False
    """Stands behind the others: a house, a hill."""
    coat: bool = False
    """Colours and patterns may be named by what is worn: "in a red dress"."""
