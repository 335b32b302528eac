"""Where a run reads and writes, with ComfyUI's file names; files appear whole or not at all."""

from __future__ import annotations

import logging
import os
import re
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal
from unicodedata import normalize

from ...visioncraft_core.atomic import link_first_free, temporary_file
from ...visioncraft_core.errors import SaveFailed, clip
from ...visioncraft_core.profiles.paths import default_home
from . import previews

FolderType = Literal["output", "temp"]

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
PREVIEWS = "previews"
USUAL_PREFIX = "ComfyUI"
LONGEST_NAME = 255  # bytes, on every usual disk
LONGEST_ENDING = "_00001_.webp"

log = logging.getLogger("visioncraft")

current: ContextVar[Folders] = ContextVar("folders")


@dataclass(frozen=True)
class Saved:
    """One file a node wrote, in ComfyUI's words and as a path."""

    path: Path
    subfolder: str
    type: FolderType

    def shown(self) -> dict[str, str]:
        """ComfyUI's own form, as in its history."""
        return {"filename": self.path.name, "subfolder": self.subfolder, "type": self.type}


class Folders:
    """The folders of one run. `inputs` are searched in order."""

    def __init__(self, output: Path, inputs: tuple[Path, ...]) -> None:
        self.inputs = inputs
        self._named = clip(str(output), 100)  # in messages as the user named it
        self._output = output.absolute()
        self._temp: Path | None = None
        # Held while files are written and named: the process must not end in between, and the
        # numbers of two nodes must not mix.
        self.writing = threading.Lock()

    def prepare(self) -> None:
        """Makes sure that results can be saved before anything is paid. Raises SaveFailed.

        Removes the previews of earlier runs as well.
        """
        previews.clear(default_home() / PREVIEWS)
        try:
            self._output.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._output):
                pass
        except OSError as error:
            raise SaveFailed(
                f"The output folder {self._named} is not writable ({error.strerror}).",
                "Choose another one with --out.",
            ) from None

    def root(self, folder_type: FolderType) -> Path:
        if folder_type == "output":
            return self._output
        if self._temp is None:
            self._temp = previews.enter(default_home() / PREVIEWS)
        return self._temp

    def find(self, name: str) -> Path | None:
        """The input file called `name`; ComfyUI's " [output]" and " [input]" endings count."""
        plain = re.sub(r" ?\[(input|output|temp)\]$", "", name)
        searched = (self._output,) if name.endswith("[output]") else self.inputs
        # Saved on Windows, or on a Mac, where letters with marks are two characters.
        paths = dict.fromkeys((plain, plain.replace("\\", "/")))
        spellings = {normalize(form, path): None for path in paths for form in ("NFC", "NFD")}
        for folder in searched:
            for spelling in {**paths, **spellings}:
                with suppress(OSError, RuntimeError, ValueError):
                    candidate = (folder / spelling).resolve()
                    if candidate.is_file() and candidate.is_relative_to(folder.resolve()):
                        return candidate
        return None

    def input_names(self) -> list[str]:
        names: set[str] = set()
        for folder in self.inputs:
            with suppress(OSError):
                names.update(entry.name for entry in folder.iterdir() if entry.is_file())
        return sorted(names)

    def save(
        self,
        contents: list[bytes],
        prefix: str,
        suffix: str,
        folder_type: FolderType,
        size: tuple[int, int],
        tail: str = "_",
    ) -> list[Saved]:
        """Writes files named `prefix_00001_.suffix` and on, as ComfyUI counts, and under the usual
        prefix where `prefix` cannot be used. Raises SaveFailed.

        `prefix` may hold folders and %year% %month% %day% %hour% %minute% %second% %width%
        %height% %batch_num%; `size` is width and height in pixels.
        """
        if problem := self.prefix_problem(prefix, folder_type, size):
            # It came by a link, and what it names may be paid.
            log.warning('A filename prefix %s, so "%s" is used instead.', problem, USUAL_PREFIX)
            prefix = USUAL_PREFIX
        folder, name, subfolder = self._target(prefix, folder_type, size)
        with self.writing:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with ExitStack() as parts:
                    # All are written before the first is named: a batch has its numbers in a row
                    # even while another process saves.
                    whole = [parts.enter_context(temporary_file(folder, each)) for each in contents]
                    numbers = count(_next_number(folder, name, tail))
                    paths = []
                    for index, part in enumerate(whole):
                        own = name.replace("%batch_num%", str(index))
                        names = (folder / f"{own}_{n:05}{tail}.{suffix}" for n in numbers)
                        paths.append(link_first_free(part, names))
            except OSError as error:
                raise SaveFailed(
                    f"A result could not be saved in {self._named} ({error.strerror}).",
                    "Make room, or choose another folder with --out.",
                    charged="yes",
                ) from None
        return [Saved(path, subfolder, folder_type) for path in paths]

    def prefix_problem(
        self, prefix: str, folder_type: FolderType = "output", size: tuple[int, int] = (1, 1)
    ) -> str:
        """Why no result can be saved under `prefix`, as the end of a sentence; "" where one can.

        Reckons with the longest ending that a node gives.
        """
        try:
            folder, name, subfolder = self._target(prefix, folder_type, size)
            for part in (*Path(subfolder).parts, name + LONGEST_ENDING):
                if len(os.fsencode(part)) > LONGEST_NAME:
                    return f"is too long: a file name ends at {LONGEST_NAME} bytes"
            (folder / name).lstat()  # a disk may have limits of its own
        except FileNotFoundError:
            return ""
        except NotADirectoryError:
            return "needs a folder where there is a file"
        except OSError as error:
            return f"leads nowhere ({error.strerror})"
        except ValueError as problem:
            return str(problem)
        return ""

    def _target(
        self, prefix: str, folder_type: FolderType, size: tuple[int, int]
    ) -> tuple[Path, str, str]:
        """The folder for files with `prefix`, how their names begin, and the folder as shown.

        Raises ValueError with the end of a sentence about the prefix.
        """
        if CONTROL.search(prefix):
            raise ValueError("has control characters in it")
        root = self.root(folder_type)
        filled = Path(os.path.normpath(_filled(prefix, size)))
        try:
            os.fsencode(filled)  # half of a character has no bytes
            folder = (root / filled.parent).resolve()
        except (OSError, RuntimeError, ValueError):  # RuntimeError: folders linked in a circle
            raise ValueError("is no file name") from None
        if not folder.is_relative_to(root.resolve()):
            raise ValueError("leads outside the output folder")
        return folder, filled.name, "" if filled.parent == Path() else filled.parent.as_posix()


def _filled(prefix: str, size: tuple[int, int]) -> str:
    now = time.strftime("%Y %m %d %H %M %S").split()
    values = dict(zip(("year", "month", "day", "hour", "minute", "second"), now, strict=True))
    values |= {"width": str(size[0]), "height": str(size[1])}
    return re.sub(r"%(\w+)%", lambda m: values.get(m[1], m[0]), prefix) or USUAL_PREFIX


def _next_number(folder: Path, name: str, tail: str) -> int:
    """One more than the highest number after `name`, as get_save_image_path counts.

    Any ending counts, so "cat_00003_.webp" goes before "cat_00004_.png"; but in
    "cat_12monkeys_00001_.png" what follows "cat_" is no number. Where names have no `tail`, those
    of the same kind count too, which ComfyUI would write over.
    """
    start = os.path.normcase(f"{name}_")
    ends = "_" if tail else "[_.]"
    highest = 0
    for entry in os.listdir(folder):
        if os.path.normcase(entry[: len(start)]) == start:
            digits = re.split(ends, entry[len(start) :], maxsplit=1)[0]
            with suppress(ValueError):
                highest = max(highest, int(digits))
    return highest + 1
