"""Takes the key out of an answer before anything of it is stored or read, so that it is looked for
once: servers write what they were asked into pictures, texts and errors."""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import replace

from ..http.call import Response
from ..media.images import sniff
from ..media.metadata import masked_metadata
from ..profiles.secret import Secret

_BASE64 = re.compile(rb"[A-Za-z0-9+/=\\\s]{64,}")  # with line breaks and slashes as JSON has them
_START = 64  # of these letters, which tell what a file is


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
    for found in _BASE64.finditer(body):
        content = _file_in(found[0])
        clean = without_key(content, key)
        if clean is not content:
            end = found.end() - (found[0][-1:] == b"\\")  # of a quote mark that is escaped
            pieces += [body[copied : found.start()], b64encode(clean)]
            copied = end
    return key.mask_bytes(b"".join([*pieces, body[copied:]]) if pieces else body)


def _as_utf_8(body: bytes) -> bytes:
    """JSON in UTF-16 or -32 as UTF-8: stars of one byte would move all that follows."""
    encoding = json.detect_encoding(body)
    if encoding.startswith(("utf-16", "utf-32")):
        with suppress(UnicodeError):
            text = body.decode(encoding)
            return text.encode() if text.lstrip()[:1] in ("{", "[", '"') else body
    return body


def _file_in(text: bytes) -> bytes:
    """The file that `text` is in base64, b"" where it is none."""
    if not sniff(_decoded(text[:_START])):
        return b""
    return _decoded(text)


def _decoded(text: bytes) -> bytes:
    for escape, plain in ((rb"\/", b"/"), (rb"\n", b""), (rb"\r", b"")):
        text = text.replace(escape, plain)
    text = re.sub(rb"[\\\s=]", b"", text)
    try:
        return b64decode(text[: len(text) - (len(text) % 4 == 1)] + b"==")
    except binascii.Error:
        return b""
