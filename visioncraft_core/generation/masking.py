"""Takes the key out of an answer before anything of it is stored or read, so that it is looked for
once: servers write what they were asked into pictures, texts and errors."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from ..base64_text import b64decode, b64encode
from ..http.call import Response
from ..media.images import sniff
from ..media.metadata import masked_metadata
from ..profiles.secret import Secret

_START = 64  # letters of base64, which tell what a file is
# With line breaks and slashes as JSON has them.
_BEGINS = re.compile(rb"[A-Za-z0-9+/=\\\s]{64}")
_GOES_ON = re.compile(rb"[A-Za-z0-9+/=\\\s]*")


def masked_response(response: Response, key: Secret | None) -> Response:
    """`response` without the key: a file without the tags that hold it, a text with stars.

    A file that is base64 in a text is treated as a file, and stays whole.
    """
    if key is None:
        return response
    body = response.body
    clean = without_key(body, key) if sniff(body) else _masked_text(body, key)
    return response if clean == body else replace(response, body=clean)


def without_key(content: bytes, key: Secret | None) -> bytes:
    """A file without the comments and tags that hold the key."""
    kind = sniff(content)
    return masked_metadata(content, kind, key.overwrite) if key and kind else content


def _masked_text(body: bytes, key: Secret) -> bytes:
    body = _as_utf_8(body)
    pieces: list[bytes] = []
    copied = 0
    for place, content, is_in_one_piece in _files_in(body):
        file = body[place]
        clean = without_key(content, key)
        if clean is not content:
            file = b64encode(clean)
        elif not is_in_one_piece or any(key.reveal().encode() in part for part in (content, file)):
            continue
        # Looked into as a file, it is not searched for every form of the key once more.
        pieces += [key.mask_bytes(body[copied : place.start]), file]
        copied = place.stop
    return b"".join([*pieces, key.mask_bytes(body[copied:])])


def _as_utf_8(body: bytes) -> bytes:
    """JSON in UTF-16 or -32 as UTF-8: stars of one byte would move all that follows."""
    encoding = json.detect_encoding(body)
    if encoding.startswith(("utf-16", "utf-32")):
        with suppress(UnicodeError):
            text = body.decode(encoding)
            return text.encode() if text.lstrip()[:1] in ("{", "[", '"') else body
    return body


def _files_in(body: bytes) -> Iterator[tuple[slice, bytes, bool]]:
    """Each file that stands in `body` as base64: where, its content, and whether nothing but its
    letters stands there, of which JSON may escape the slashes."""
    end = quote = 0
    while begin := _BEGINS.search(body, end):
        start = begin.start()
        is_file = bool(sniff(_decoded(begin[0])))
        if is_file and start >= quote:  # a string of JSON, which is checked by decoding it
            quote = body.find(b'"', start)
            quote = len(body) if quote < 0 else quote
            content = _strictly_decoded(body[start:quote])
            if content:
                yield slice(start, quote), content, True
                end = quote
                continue
        run = _GOES_ON.match(body, start)
        assert run  # noqa: S101 - it matches anything
        end = run.end()
        if is_file:
            file = body[start : end - run[0].endswith(b"\\")]  # of a quote mark that is escaped
            content = _strictly_decoded(file)
            place = slice(start, start + len(file))
            yield place, content or _decoded(file), bool(content)


def _strictly_decoded(text: bytes) -> bytes:
    """What `text` is in base64; b"" where other letters stand in it."""
    try:
        # A single letter is found many times as fast as two.
        return b64decode(text.replace(rb"\/", b"/") if b"\\" in text else text, validate=True)
    except binascii.Error:
        return b""


def _decoded(text: bytes) -> bytes:
    for escape, plain in ((rb"\/", b"/"), (rb"\n", b""), (rb"\r", b"")):
        text = text.replace(escape, plain)
    text = re.sub(rb"[\\\s=]", b"", text)
    try:
        return b64decode(text[: len(text) - (len(text) % 4 == 1)] + b"==")
    except binascii.Error:
        return b""
