"""How a finished output is answered: as at the specification's date, or as the service answered
in the weeks around it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from ..api.fields import Request
from ..errors import ConfigError
from ..media.images import sniff
from .engine import Output

CONTENT_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "mp4": "video/mp4",
}
FILE_FORMATS = ("bytes", "links", "list", "base64", "data-uri", "job")  # these need a file
TEXT_FORMATS = ("chat", "premium-chat")
FORMATS = (*FILE_FORMATS, *TEXT_FORMATS)
_PIECE = 65536  # bytes
_PIECE_SECONDS = 30.0  # in which a client must take so many


def content_type(content: bytes) -> str:
    return CONTENT_TYPES.get(sniff(content) or "", "application/octet-stream")


class Pieces(Payload):
    """A body that goes out as the client takes it: at once, all of it would be copied for one that
    takes nothing."""

    def __init__(self, content: bytes | memoryview, content_type: str) -> None:
        super().__init__(content, content_type=content_type)
        self.content = content
        self._size = len(content)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return bytes(self.content).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        view = memoryview(self.content)
        for at in range(0, len(view), _PIECE):
            try:
                await asyncio.wait_for(writer.write(view[at : at + _PIECE]), _PIECE_SECONDS)
            except asyncio.TimeoutError:  # another class than TimeoutError on 3.10
                if transport := getattr(writer, "transport", None):
                    transport.abort()
                raise ConnectionResetError from None


def formats_of(
    endpoints: Iterable[type[Request]], chosen: Mapping[str, str]
) -> dict[type[Request], str]:
    """The format of every endpoint; `chosen`, by path, replaces the usual ones.

    Raises ConfigError.
    """
    formats: dict[type[Request], str] = {kind: kind.answer_form for kind in endpoints}
    kinds = {kind.path.strip("/"): kind for kind in formats}
    for path, name in chosen.items():
        kind = kinds.get(path.strip("/"))
        if kind is None or name not in FORMATS:
            raise ConfigError(
                f"The shape {path}={name} is not understood.",
                f"Write PATH=SHAPE; the shapes are {', '.join(FORMATS)}.",
            )
        if kind.output == "text" and name in FILE_FORMATS:
            raise ConfigError(
                f"{path} makes text and cannot answer as {name}.",
                f"Choose one of {', '.join(TEXT_FORMATS)}.",
            )
        formats[kind] = name
    return formats


async def answer(
    response_format: str,
    output: Output,
    request: Request,
    chat_id: str,
    publish: Callable[[bytes], Awaitable[str]],
    enqueue: Callable[[list[str]], str],
) -> web.Response:
    """`publish` keeps a file and gives its URL, `enqueue` keeps URLs and gives the id of a job."""
    if response_format == "bytes":
        content = output.files[0]
        return web.Response(body=Pieces(content, content_type(content)))
    if response_format == "chat":
        return web.json_response(_completion(output.text, request))
    if response_format == "premium-chat":
        # No answer of this endpoint was recorded; these are the names of the service behind it.
        return web.json_response({"message": output.text, "chat_id": chat_id})
    if convert := {"base64": _base64, "data-uri": _data_uri}.get(response_format):
        images = [convert(content) for content in output.files]
    else:
        images = [await publish(content) for content in output.files]
    if response_format == "job":
        return web.json_response({"job_id": enqueue(images)})
    listed = json.dumps(images if response_format == "list" else {"images": images})
    return web.Response(body=Pieces(listed.encode(), "application/json; charset=utf-8"))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _data_uri(content: bytes) -> str:
    return f"data:{content_type(content)};base64,{_base64(content)}"


def _completion(text: str, request: Request) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    asked = sum(len(turn["content"].split()) for turn in getattr(request, "messages", ()))
    answered = len(text.split())
    usage = {"prompt_tokens": asked, "completion_tokens": answered}
    return {
        "id": f"chatcmpl-{sha256(text.encode()).hexdigest()[:24]}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": getattr(request, "model", ""),
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {**usage, "total_tokens": asked + answered},
    }
