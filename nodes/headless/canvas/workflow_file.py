"""The JSON of a workflow, from a .json file or from the text inside a picture or film that ComfyUI
saved.

Knows files, where they hold text, and JSON; does not know what a workflow is.
"""

from __future__ import annotations

import io
import json
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from ....visioncraft_core.media.images import FileKind, sniff
from .graph import WorkflowProblem

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MATROSKA_SIGNATURE = b"\x1a\x45\xdf\xa3"  # of WebM, too
MAX_FILE_BYTES = 200 * 2**20
MAX_TEXT_BYTES = 50 * 2**20
MAX_PARTS = 2_000_000  # members and items: as Python objects each takes about 100 bytes
MAX_DEPTH = 100
KEYWORDS = ("workflow", "prompt")  # in the order of the front end when a file is dropped on it

OTHER_FILE = (
    "Choose a workflow saved by ComfyUI: a .json file, or a picture or film that contains one."
)


def read_json(path: Path) -> Any:
    return json_of(_bytes(path))


def json_of(content: bytes) -> Any:
    if content.startswith(MATROSKA_SIGNATURE):
        return _usable(_film_texts(content))
    if kind := sniff(content):
        return _usable(_TEXTS[kind](content))
    try:
        # Windows editors put a byte order mark in front.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WorkflowProblem(
            "this is neither text in UTF-8 nor a picture or film.", OTHER_FILE
        ) from None
    if not text.strip():
        raise WorkflowProblem("this file is empty.", OTHER_FILE)
    return parse_json(text)


def parse_json(text: str) -> Any:
    if len(text) > MAX_TEXT_BYTES or text.count(",") + text.count("[") > MAX_PARTS:
        raise WorkflowProblem("its JSON is too large to be a workflow.", OTHER_FILE)
    try:
        # Python writes NaN, which is no JSON; the front end takes it for null, too.
        return json.loads(text, object_pairs_hook=_members, parse_constant=lambda _: None)
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


def _usable(texts: Iterable[tuple[str, str]]) -> Any:
    """The first of the KEYWORDS whose text is JSON of an object, as the front end takes them."""
    found = dict(texts)
    problem = WorkflowProblem("this file contains no workflow.", OTHER_FILE)
    for keyword in (name for name in KEYWORDS if name in found):
        try:
            content = parse_json(found[keyword])
        except WorkflowProblem as error:
            problem = error
            continue
        if isinstance(content, dict) and content:
            return content
    raise problem


def _png_texts(content: bytes) -> Iterator[tuple[str, str]]:
    """Of all keywords that count the last text, unpacked only then."""
    last: dict[str, tuple[bytes, bytes]] = {}
    at = len(PNG_SIGNATURE)
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind in (b"tEXt", b"zTXt", b"iTXt", b"comf"):  # the last one is SaveAnimatedPNG's
            keyword, _, rest = content[at + 8 : at + 8 + length].partition(b"\0")
            if (name := keyword.decode("latin-1")) in KEYWORDS:
                last[name] = (kind, rest)
        at += length + 12
    for name, (kind, rest) in last.items():
        yield name, _text(kind, rest)


def _text(kind: bytes, rest: bytes) -> str:
    if kind in (b"tEXt", b"comf"):
        return _decoded(rest)
    if kind == b"zTXt":
        return _decoded(_inflate(rest[1:]))
    compressed, rest = rest[:1] == b"\1", rest[2:]
    text = rest.split(b"\0", 2)[-1]
    return _decoded(_inflate(text) if compressed else text)


def _decoded(text: bytes) -> str:
    # The standard says Latin-1; the front end reads UTF-8, and so do those who write it.
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _inflate(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, MAX_TEXT_BYTES + 1)
    except zlib.error:
        return b""


def _picture_texts(content: bytes) -> Iterator[tuple[str, str]]:
    """EXIF members "workflow:..." of SaveAnimatedWEBP, and a comment that is an object of both."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its size: no pixel is decoded
        try:
            with Image.open(io.BytesIO(content), formats=("GIF", "JPEG", "WEBP")) as image:
                members = [value for value in image.getexif().values() if isinstance(value, str)]
                comment = image.info.get("comment", b"")
        except Exception:  # noqa: BLE001 - Pillow raises what it likes for a damaged file
            return
    for member in members:
        keyword, _, text = member.partition(":")
        yield keyword.lower(), text
    yield from _object_texts(_decoded(comment) if isinstance(comment, bytes) else str(comment))


def _film_texts(content: bytes) -> Iterator[tuple[str, str]]:
    """Tags of MP4, MOV and WebM; other packs put an object of both into the comment."""
    import av  # its libraries take a while to load

    try:
        with av.open(io.BytesIO(content)) as container:
            tags = {name.lower(): value for name, value in container.metadata.items()}
    except Exception:  # noqa: BLE001 - FFmpeg's errors are many
        return
    yield from _object_texts(tags.get("comment", ""))
    yield from tags.items()


def _object_texts(text: str) -> Iterator[tuple[str, str]]:
    if text.lstrip()[:1] != "{":
        return
    try:
        members = parse_json(text)
    except WorkflowProblem:
        return
    for name in KEYWORDS:
        value = members.get(name) if isinstance(members, dict) else None
        if value:
            yield name, value if isinstance(value, str) else json.dumps(value)


_TEXTS: dict[FileKind, Callable[[bytes], Iterator[tuple[str, str]]]] = {
    "png": _png_texts,
    "jpeg": _picture_texts,
    "webp": _picture_texts,
    "gif": _picture_texts,
    "mp4": _film_texts,
}
