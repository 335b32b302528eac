"""What a call made: files, or text, with what a user should know about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..api.fields import OutputKind
from ..errors import Cancelled, InvalidResponse, VisionCraftError
from ..media.images import FileKind, sniff
from ..media.integrity import check_integrity

_FITTING: dict[OutputKind, tuple[FileKind, ...]] = {
    "images": ("png", "jpeg", "webp", "gif"),
    "animation": ("gif", "webp", "png", "mp4"),
    "video": ("mp4", "gif", "webp"),
    "text": (),
}


@dataclass(frozen=True)
class File:
    """One file as it came from the server, byte for byte."""

    content: bytes
    kind: FileKind

    @property
    def suffix(self) -> str:
        """How the name of such a file usually ends, without the dot."""
        return "jpg" if self.kind == "jpeg" else self.kind


# Opens the content of a file. Raises DamagedFile where it does not decode, UnsafeContent where it
# is out of bounds.
Decoder = Callable[[bytes], Any]


class Part(NamedTuple):
    """A file and what the caller's opener made of it."""

    file: File
    decoded: Any


@dataclass(frozen=True)
class Result:
    """What a call made. `decoded` is what the caller's opener made of each of the `files`; `notes`
    are sentences for the user; `seconds` is wall time; `missing` is how many parts of it did not
    come, which another run would ask for again."""

    server: str
    seconds: float
    files: tuple[File, ...] = ()
    decoded: tuple[Any, ...] = ()
    text: str = ""
    chat_id: str = ""
    notes: tuple[str, ...] = ()
    missing: int = 0


def whole_file(content: bytes, output: OutputKind, server: str) -> File:
    """The file that `content` is.

    Raises InvalidResponse if it is cut off or not what was asked for, UnsafeContent if it is out of
    bounds.
    """
    kind = sniff(content)
    if kind is None or kind not in _FITTING[output]:
        raise unexpected_content(server, f"a {kind} file" if kind else "a file of an unknown kind")
    check_integrity(content, kind)
    return File(content, kind)


def unexpected_content(server: str, what: str) -> InvalidResponse:
    return InvalidResponse(
        f"{server} answered with {what}, which is not what was asked for.",
        "Check that the base URL is the VisionCraft API; the job may have been counted.",
        phase="reply",
        status=200,
    )


def delivered(
    outcomes: Sequence[Part | VisionCraftError], *, fail_on_partial: bool
) -> tuple[list[Part], tuple[str, ...]]:
    """The parts there are, and a note for each that is missing.

    Raises the first error where nothing came, the user cancelled, or `fail_on_partial` wants all.
    """
    parts = [outcome for outcome in outcomes if isinstance(outcome, Part)]
    return parts, _lost([*outcomes], bool(parts), fail_on_partial=fail_on_partial)


def merge_results(
    outcomes: Sequence[Result | VisionCraftError], *, fail_on_partial: bool
) -> Result:
    """The results of a batch as one, in order, with a note for each that is missing.

    Raises like `delivered`.
    """
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    lost = _lost([*outcomes], bool(results), fail_on_partial=fail_on_partial)
    notes = dict.fromkeys(note for result in results for note in result.notes)
    return replace(
        results[0],
        files=tuple(file for result in results for file in result.files),
        decoded=tuple(each for result in results for each in result.decoded),
        notes=(*notes, *lost),
        missing=sum(result.missing for result in results) + len(lost),
    )


def _lost(outcomes: list[object], came: bool, *, fail_on_partial: bool) -> tuple[str, ...]:  # noqa: FBT001
    errors = [outcome for outcome in outcomes if isinstance(outcome, VisionCraftError)]
    cancelled = [error for error in errors if isinstance(error, Cancelled)]
    if cancelled or (errors and (fail_on_partial or not came)):
        raise (cancelled or errors)[0]
    return tuple(
        f"Picture {number} of {len(outcomes)} failed: {outcome}"
        for number, outcome in enumerate(outcomes, 1)
        if isinstance(outcome, VisionCraftError)
    )
