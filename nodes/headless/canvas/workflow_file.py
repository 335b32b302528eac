"""The JSON of a workflow, from a .json file or from the text inside a picture ComfyUI saved.

Knows files, PNG chunks and JSON; does not know what a workflow is.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .graph import WorkflowProblem

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_FILE_BYTES = 200 * 2**20
MAX_TEXT_BYTES = 50 * 2**20
MAX_DEPTH = 100

OTHER_FILE = "Choose a workflow saved by ComfyUI: a .json file or a PNG that contains one."


def read_json(path: Path) -> Any:
    content = _bytes(path)
    if content.startswith(PNG_SIGNATURE):
        return parse_json(_embedded(content))
    try:
        # Windows editors put a byte order mark in front.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WorkflowProblem(
            "this is neither text in UTF-8 nor a PNG picture.", OTHER_FILE
        ) from None
    if not text.strip():
        raise WorkflowProblem("this file is empty.", OTHER_FILE)
    return parse_json(text)


def parse_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_members)
    except RecursionError:
        raise WorkflowProblem("its JSON is nested too deep to be a workflow.", OTHER_FILE) from None
    except json.JSONDecodeError as error:
        raise WorkflowProblem(
            f"this is not valid JSON (line {error.lineno}, column {error.colno}).", OTHER_FILE
        ) from None
    except ValueError:
        # A number with thousands of digits.
        raise WorkflowProblem("its JSON has a number that is too long.", OTHER_FILE) from None


def refuse_depth(content: object) -> None:
    """Raises WorkflowProblem for values nested so deep that what reads them later would recurse."""
    level = [content] if isinstance(content, dict | list) else []
    for _ in range(MAX_DEPTH):
        # By identity, because the same list may be reachable on many ways, even through itself.
        level = list({id(inner): inner for outer in level for inner in _inside(outer)}.values())
        if not level:
            return
    raise WorkflowProblem("its JSON is nested too deep to be a workflow.", OTHER_FILE)


def _inside(value: dict[Any, Any] | list[Any]) -> list[Any]:
    members = value.values() if isinstance(value, dict) else value
    return [inner for inner in members if isinstance(inner, dict | list)]


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON keeps the last of equal keys; for nodes of the API form that would lose one silently."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, value in pairs if isinstance(value, dict) and "class_type" in value]
        for name in names:
            if names.count(name) > 1:
                raise WorkflowProblem(f"two nodes have the id {name[:40]}.")
    return members


def _bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise WorkflowProblem("this is a folder.", "Name a workflow file in it.")
        if path.exists() and not path.is_file():
            raise WorkflowProblem("this is not a regular file.", OTHER_FILE)
        if path.stat().st_size > MAX_FILE_BYTES:
            raise WorkflowProblem(
                f"this file is larger than {MAX_FILE_BYTES // 2**20} MB.", OTHER_FILE
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise WorkflowProblem(
            "there is no such file.", "Check the path and the spelling."
        ) from None
    except (OSError, ValueError):
        # ValueError: a path with a null character.
        raise WorkflowProblem(
            "this file cannot be read.", "Check the path, its permissions and the disk."
        ) from None


def _embedded(content: bytes) -> str:
    """`workflow` before `prompt`, as the front end does when a picture is dropped on it."""
    texts = dict(_texts(content))
    for keyword in ("workflow", "prompt"):
        if keyword in texts:
            return texts[keyword]
    raise WorkflowProblem("this picture contains no workflow.", OTHER_FILE)


def _texts(content: bytes) -> Iterator[tuple[str, str]]:
    at = len(PNG_SIGNATURE)
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        body = content[at + 8 : at + 8 + length]
        at += length + 12
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, _, rest = body.partition(b"\0")
            yield keyword.decode("latin-1"), _text(kind, rest)


def _text(kind: bytes, rest: bytes) -> str:
    if kind == b"tEXt":
        return rest.decode("latin-1")
    if kind == b"zTXt":
        return _inflate(rest[1:]).decode("latin-1")
    compressed, rest = rest[:1] == b"\1", rest[2:]
    text = rest.split(b"\0", 2)[-1]
    return (_inflate(text) if compressed else text).decode("utf-8", "replace")


def _inflate(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, MAX_TEXT_BYTES)
    except zlib.error:
        return b""
