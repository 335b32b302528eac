"""What a person may have meant by a name that is not known."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 200  # characters that are compared


def nearest(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """At most `most` of the `known` names that are spelled like `name`, in any case of letters, the
    nearest first."""
    from difflib import get_close_matches  # most programs make no mistake

    names = {each.lower(): each for each in known}
    return [names[each] for each in get_close_matches(name[:LONGEST].lower(), names, n=most)]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question with the nearest names, "" where none is near."""
    found = [each for each in nearest(name, known) if each != name]
    return f"Did you mean {' or '.join(found)}?" if found else ""
