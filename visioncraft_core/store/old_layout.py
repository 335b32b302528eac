"""A store as it was once written, without an index: a folder for each request, with JSON files.

requests/ab/<sha256 of the request>/reply.json, job.json, unread.json, <sha256 of a URL>.json
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

REQUESTS = "requests"

Row = tuple[Any, ...]


def exists(folder: Path) -> bool:
    return (folder / REQUESTS).is_dir()


def read(folder: Path) -> Iterator[tuple[Row, list[Row]]]:
    """Each request and its records, as rows of the index."""
    for path in (path for prefix in _listed(folder / REQUESTS) for path in _listed(prefix)):
        records = {file.stem: record for file in _listed(path) if (record := _record(file))}
        unparsed = records.pop("unread", None)
        if unparsed and "reply" not in records:  # else it was of an answer before
            records["unparsed"] = unparsed
        answer = records.get("reply") or unparsed or {}
        with suppress(OSError):  # another process may have taken it over meanwhile
            used = path.stat().st_mtime
            made = answer.get("made")
            words = (str(answer.get(name, "")) for name in ("server", "path", "about"))
            request = (path.name, made if isinstance(made, float) else used, used, *words)
            yield request, [_row(path.name, *record) for record in records.items()]


def remove(folder: Path) -> None:
    for name in (REQUESTS, "claims"):
        shutil.rmtree(folder / name, ignore_errors=True)
    with suppress(OSError):
        (folder / "untrimmed").unlink()


def _row(key: str, name: str, record: dict[str, Any]) -> Row:
    status = record.get("status")
    status = status if isinstance(status, int) else 0
    return key, name, record["sha256"], record["size"], status, str(record.get("server", ""))


def _record(path: Path) -> dict[str, Any]:
    """What a file holds; nothing where it is damaged."""
    with suppress(OSError, ValueError, RecursionError, LookupError, TypeError):
        record = json.loads(path.read_bytes()) if path.suffix == ".json" else {}
        if isinstance(record["sha256"], str) and 0 <= record["size"] < 2**40:
            return record
    return {}


def _listed(folder: Path) -> list[Path]:
    with suppress(OSError):
        return list(folder.iterdir())
    return []
