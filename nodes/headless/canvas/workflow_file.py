"""The JSON of a workflow, from a .json file or from the text inside a picture or film that ComfyUI
saved.

Knows files, where they hold text, and JSON; does not know what a workflow is.
"""

from __future__ import annotations

import codecs
import io
import json
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from ....visioncraft_core.json_limits import json_cost
from ....visioncraft_core.media.images import FileKind, sniff
from .graph import WorkflowProblem

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MATROSKA_SIGNATURE = b"\x1a\x45\xdf\xa3"  # of WebM, too
MAX_FILE_BYTES = 200 * 2**20
MAX_TEXT_BYTES = 50 * 2**20
MAX_COST = 128 * 2**20  # bytes in memory; hundreds of nodes with all their texts take 12 MiB
MAX_DEPTH = 100
TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt", b"comf")  # the last one is SaveAnimatedPNG's
LONGEST_KEYWORD = 80  # bytes, with the zero that ends it
KEYWORDS = ("workflow", "prompt")  # in the order of the front end when a file is dropped on it

OTHER_FILE = (
    "Choose a workflow saved by ComfyUI: a .json file, or a picture or film that contains one."
)


def read_json(path: Path) -> Any:
    with _opened(path) as file:
        return _json_in(file)


def json_of(content: bytes) -> Any:
    return _json_in(io.BytesIO(content))


def _json_in(file: BinaryIO) -> Any:
    start = file.read(16)
    file.seek(0)
    if start.startswith(MATROSKA_SIGNATURE):
        return _usable(_film_texts(file))
    if kind := sniff(start):
        return _usable(_TEXTS[kind](file))
    content = file.read(MAX_TEXT_BYTES + 1)
    # Windows editors put a byte order mark in front.
    content = content.removeprefix(codecs.BOM_UTF8)
    if not content.strip():
        raise WorkflowProblem("this file is empty.", OTHER_FILE)
    return parse_json(content)


def parse_json(content: bytes) -> Any:
    """JSON in UTF-8, as long as it has the size of a workflow."""
    if len(content) > MAX_TEXT_BYTES or json_cost(content) > MAX_COST:
        raise WorkflowProblem("its JSON is too large to be a workflow.", OTHER_FILE)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise WorkflowProblem(
            "this is neither text in UTF-8 nor a picture or film.", OTHER_FILE
        ) from None
    try:
        # Python writes NaN, which is no JSON; the front end takes it for null, too.
        return json.loads(text, object_pairs_hook=_members, parse_constant=lambda _: None)
    except RecursionError:
        raise WorkflowProblem("its JSON is nested too deep to be a workflow.", OTHER_FILE) from None
    except json.JSONDecodeError as error:
        raise WorkflowProblem(
            f"this is not valid JSON (line {error.lineno}, column {error.colno}).",
            "Correct it, or choose a workflow saved by ComfyUI.",
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


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file, of which only what holds text is read."""
    try:
        if path.is_dir():
            raise WorkflowProblem("this is a folder.", "Name a workflow file in it.")
        if path.exists() and not path.is_file():
            raise WorkflowProblem("this is not a regular file.", OTHER_FILE)
        if path.stat().st_size > MAX_FILE_BYTES:
            raise WorkflowProblem(
                f"this file is larger than {MAX_FILE_BYTES // 2**20} MB.", OTHER_FILE
            )
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise WorkflowProblem(
            "there is no such file.", "Check the path and the spelling."
        ) from None
    except (OSError, ValueError):
        # ValueError: a path with a null character.
        raise WorkflowProblem(
            "this file cannot be read.", "Check the path, its permissions and the disk."
        ) from None


def _usable(texts: Iterable[tuple[str, bytes]]) -> Any:
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


def _png_texts(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Of all keywords that count the last text, unpacked only then."""
    last: dict[str, tuple[bytes, bytes]] = {}
    file.seek(len(PNG_SIGNATURE))
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        end = file.tell() + length + 4
        if kind in TEXT_CHUNKS:
            start = file.read(min(length, LONGEST_KEYWORD))
            if (name := start.partition(b"\0")[0].decode("latin-1")) in KEYWORDS:
                rest = start[len(name) + 1 :] + file.read(length - len(start))
                last[name] = (kind, rest)
        file.seek(end)
    for name, (kind, rest) in last.items():
        yield name, _text(kind, rest)


def _text(kind: bytes, rest: bytes) -> bytes:
    if kind in (b"tEXt", b"comf"):
        return _utf_8(rest)
    if kind == b"zTXt":
        return _utf_8(_inflate(rest[1:]))
    compressed, rest = rest[:1] == b"\1", rest[2:]
    text = rest.split(b"\0", 2)[-1]
    return _utf_8(_inflate(text) if compressed else text)


def _utf_8(text: bytes) -> bytes:
    # The standard says Latin-1; the front end reads UTF-8, and so do those who write it.
    if len(text) > MAX_TEXT_BYTES or json_cost(text) > MAX_COST:
        return text  # which will be refused
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1").encode()
    return text


def _inflate(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, MAX_TEXT_BYTES + 1)
    except zlib.error:
        return b""


def _picture_texts(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """EXIF members "workflow:..." of SaveAnimatedWEBP, and a comment that is an object of both."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its size: no pixel is decoded
        try:
            with Image.open(file, formats=("GIF", "JPEG", "WEBP")) as image:
                members = [value for value in image.getexif().values() if isinstance(value, str)]
                comment = image.info.get("comment", b"")
        except Exception:  # noqa: BLE001 - Pillow raises what it likes for a damaged file
            return
    for member in members:
        keyword, _, text = member.partition(":")
        yield keyword.lower(), text.encode("utf-8", "replace")
    yield from _object_texts(comment if isinstance(comment, bytes) else str(comment).encode())


def _film_texts(file: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Tags of MP4, MOV and WebM; other packs put an object of both into the comment."""
    import av  # its libraries take a while to load

    try:
        with av.open(file) as container:
            metadata = container.metadata.items()
            tags = {name.lower(): value.encode("utf-8", "replace") for name, value in metadata}
    except Exception:  # noqa: BLE001 - FFmpeg's errors are many
        return
    yield from _object_texts(tags.get("comment", b""))
    yield from tags.items()


def _object_texts(text: bytes) -> Iterator[tuple[str, bytes]]:
    if text.lstrip()[:1] != b"{":
        return
    try:
        members = parse_json(_utf_8(text))
    except WorkflowProblem:
        return
    for name in KEYWORDS:
        value = members.get(name) if isinstance(members, dict) else None
        if value:
            found = value if isinstance(value, str) else json.dumps(value)
            yield name, found.encode("utf-8", "replace")


_TEXTS: dict[FileKind, Callable[[BinaryIO], Iterator[tuple[str, bytes]]]] = {
    "png": _png_texts,
    "jpeg": _picture_texts,
    "webp": _picture_texts,
    "gif": _picture_texts,
    "mp4": _film_texts,
}
