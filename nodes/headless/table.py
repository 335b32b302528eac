"""A table of rows in a .csv or .jsonl file, read one row at a time."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...visioncraft_core.errors import WorkflowError, clip

DELIMITERS = ",;\t"  # spreadsheets write the second where a comma marks decimals
LONGEST_CELL = 10_000_000  # characters


@dataclass(frozen=True)
class Row:
    """`number` counts from 1, without the header, and `line` is where it begins in the file; an
    empty cell is left out of `values`. `header` names all columns where the file begins so."""

    number: int
    line: int
    values: dict[str, str]
    header: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"Row {self.number} (line {self.line})"


def rows(path: Path) -> Iterator[Row]:
    """The rows of the file in their order. Raises WorkflowError."""
    readers = {".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise WorkflowError(
            f"{clip(path.name, 60)} is no table of rows.", "Give a .csv or a .jsonl file."
        )
    try:
        yield from reader(path)
    except FileNotFoundError:
        raise WorkflowError(
            f"{clip(path.name, 60)}: there is no such file.", "Check the path and the spelling."
        ) from None
    except UnicodeDecodeError:
        raise _problem(path, "is not text in UTF-8", "Save it as UTF-8.") from None
    except OSError as error:
        raise _problem(path, f"cannot be read ({error.strerror})", "Check the path.") from None


def _csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(min(LONGEST_CELL, sys.maxsize))
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        delimiter = max(DELIMITERS, key=first.count)
        cells = csv.reader(file, delimiter=delimiter, strict=True)
        at = 1  # the line in which a row begins
        try:
            header = tuple(name.strip() for name in next(cells, []))
            if not all(header) or len(set(header)) < len(header):
                raise _problem(
                    path,
                    "has a column without a name, or two of the same name",
                    "Give each column a name such as 2.prompt in the first line.",
                )
            number, at = 0, cells.line_num + 1
            for line in cells:
                began, at = at, cells.line_num + 1
                if not any(line):
                    continue
                number += 1
                if len(line) != len(header):
                    raise _problem(
                        path,
                        f"has {len(line)} cells in line {began} and {len(header)} columns",
                        "Put texts with commas or line ends between double quotes.",
                    )
                pairs = zip(header, line, strict=True)
                yield Row(number, began, {name: cell for name, cell in pairs if cell}, header)
        except csv.Error as error:
            if str(error) == "unexpected end of data":
                what = (
                    f"has a double quote that is never closed, in the row that begins in line {at}"
                )
                raise _problem(
                    path, what, 'Close it; within such a text write "" for a quote.'
                ) from None
            raise _problem(
                path, f"is not CSV in line {cells.line_num} ({error})", "Correct it."
            ) from None


def _jsonl(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        number = 0
        for at, line in enumerate(file, 1):
            if not line.strip():
                continue
            number += 1
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                found = None
            if not isinstance(found, dict) or any(
                isinstance(value, dict | list) for value in found.values()
            ):
                raise _problem(
                    path,
                    f"has no object with texts and numbers in line {at}",
                    'Write one in each line, such as {"2.prompt": "a fox", "2.seed": 1}.',
                )
            yield Row(number, at, {n: _text(v) for n, v in found.items() if v is not None})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _problem(path: Path, what: str, advice: str) -> WorkflowError:
    return WorkflowError(f"{clip(path.name, 60)} {what}.", advice)
