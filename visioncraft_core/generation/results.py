"""What a call made: files, or text, with what a user should know about them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api.fields import OutputKind
from ..atomic import link_first_free, temporary_file
from ..errors import Cancelled, InvalidResponse, SaveFailed, VisionCraftError, clip
from ..media.images import FileKind, decode, sniff
from ..media.integrity import check_integrity

if TYPE_CHECKING:
    from PIL import Image

_FITTING: dict[OutputKind, tuple[FileKind, ...]] = {
    "images": ("png", "jpeg", "webp", "gif"),
    "animation": ("gif", "webp", "png", "mp4"),
    "video": ("mp4", "gif", "webp"),
    "text": (),
}
_SUFFIXES = ("png", "jpg", "jpeg", "webp", "gif", "mp4", "txt")


@dataclass(frozen=True)
class File:
    """One file as it came from the server, byte for byte."""

    content: bytes = field(repr=False)
    kind: FileKind

    @property
    def suffix(self) -> str:
        """How the name of such a file usually ends, without the dot."""
        return "jpg" if self.kind == "jpeg" else self.kind


@dataclass(frozen=True, repr=False)
class Result:
    """What a call made, by `server` within `seconds` of wall time: `files`, or `text`.

    `chat_id` continues a chat that the server remembers; `thoughts` is what a model wrote before
    its answer; `notes` are sentences for the user; `missing` counts the parts that did not come and
    that another run would fetch; `decoded` is what the `decoder` of the call made of each file.
    Of several requests it holds all that they made, texts with blank lines between them; `outcomes`
    is the result of each, or its error, in their order.
    """

    server: str
    seconds: float
    files: tuple[File, ...] = ()
    decoded: tuple[Any, ...] = ()
    text: str = ""
    chat_id: str = ""
    thoughts: str = ""
    notes: tuple[str, ...] = ()
    missing: int = 0
    outcomes: tuple[Result | VisionCraftError, ...] = ()

    def __repr__(self) -> str:
        made = ", ".join(map(repr, self.files)) or repr(clip(self.text, 60))
        return f"<Result from {self.server}: {made}>"

    @cached_property
    def images(self) -> list[Image.Image]:
        """The pictures, RGB or RGBA, upright and in sRGB, decoded when first asked for.

        Of an animation the first frame; none of a video. Raises DamagedFile for a file that does
        not decode, UnsafeContent for one that is larger than is safe.
        """
        return [decode(file.content).to_pillow() for file in self.files if file.kind != "mp4"]

    def save(self, target: str | Path) -> list[Path]:
        """Writes the files, byte for byte as they came, and gives their paths.

        `save("out/fox")` writes out/fox_1.png, out/fox_2.png and so on, and so does
        `save("out/fox.png")`: how a name ends follows from what the server sent. `save("out/")` and
        any folder that exists get result_1.png. A number that is taken is left out, so that nothing
        is overwritten. Text becomes a .txt file. Raises SaveFailed.
        """
        folder, stem = Path(target).parent, Path(target).name
        if str(target).endswith(("/", os.sep)) or Path(target).is_dir():
            folder, stem = Path(target), "result"
        elif Path(stem).suffix[1:].lower() in _SUFFIXES:
            stem = Path(stem).stem
        contents = [(file.suffix, file.content) for file in self.files]
        numbers = count(1)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            paths: list[Path] = []
            for suffix, content in contents or [("txt", self.text.encode())]:
                names = (folder / f"{stem}_{number}.{suffix}" for number in numbers)
                with temporary_file(folder, content) as part:
                    paths.append(link_first_free(part, names))
            return paths
        except OSError as error:
            raise SaveFailed(
                f"The result could not be saved to {folder} ({error.strerror}).",
                "Choose another folder, or make room on the disk.",
                charged="yes",
            ) from None


def whole_file(content: bytes, output: OutputKind, server: str) -> File:
    """The file that `content` is.

    Raises InvalidResponse if it is not what was asked for or incomplete, UnsafeContent if it is
    larger than is safe.
    """
    kind = sniff(content)
    if kind is None or kind not in _FITTING[output]:
        raise unexpected_content(server, f"a {kind} file" if kind else "a file of an unknown kind")
    check_integrity(content, kind)
    return File(content, kind)


def unexpected_content(server: str, content: str) -> InvalidResponse:
    return InvalidResponse(
        f"{server} answered with {content}, which is not what was asked for.",
        "Check that the base URL is the VisionCraft API; the job may have been charged.",
        phase="reply",
        status=200,
    )


def merge_results(
    outcomes: Sequence[Result | VisionCraftError], *, fail_on_partial: bool
) -> Result:
    """The results of several parts as one, in order, with a note for each that is missing.

    Raises an error of the `outcomes` where nothing came, the user cancelled, or `fail_on_partial`
    wants all.
    """
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    errors = [outcome for outcome in outcomes if isinstance(outcome, VisionCraftError)]
    cancelled = [error for error in errors if isinstance(error, Cancelled)]
    if cancelled or not results or (errors and fail_on_partial):
        raise (cancelled or errors)[0]
    lost = [
        f"Picture {number} of {len(outcomes)} failed: {outcome}"
        for number, outcome in enumerate(outcomes, 1)
        if isinstance(outcome, VisionCraftError)
    ]
    notes = dict.fromkeys(note for result in results for note in result.notes)
    return replace(
        results[0],
        files=tuple(file for result in results for file in result.files),
        decoded=tuple(each for result in results for each in result.decoded),
        text="\n\n".join(result.text for result in results if result.text),
        outcomes=tuple(outcomes),
        notes=(*notes, *lost),
        missing=sum(result.missing for result in results) + len(lost),
    )
