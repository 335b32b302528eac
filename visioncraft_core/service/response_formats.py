"""How a finished output is answered: as at the specification's date, or as the service answered
in the weeks around it.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ..api.endpoints import ENDPOINTS
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


@dataclass(frozen=True)
class Answer:
    """A reply before it becomes HTTP: JSON, or a file with its type."""

    json: Any = None
    content: bytes = b""

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES.get(sniff(self.content) or "", "application/octet-stream")


@dataclass(frozen=True)
class ResultPublisher:
    """Where files and jobs are left for later; each call gives an address or an id."""

    publish: Callable[[bytes], str]
    enqueue: Callable[[list[str]], str]


def answer(
    response_format: str, output: Output, request: Request, publisher: ResultPublisher
) -> Answer:
    return _FORMATS[response_format](output, request, publisher)


def names() -> tuple[str, ...]:
    return tuple(_FORMATS)


def formats_of(chosen: Mapping[str, str]) -> dict[type[Request], str]:
    """The format of every endpoint; `chosen`, by path, replaces the usual ones.

    Raises ConfigError.
    """
    kinds = {kind.path.strip("/"): kind for kind in ENDPOINTS}
    formats: dict[type[Request], str] = {kind: kind.answer_form for kind in ENDPOINTS}
    for path, name in chosen.items():
        kind = kinds.get(path.strip("/"))
        if kind is None or name not in names():
            raise ConfigError(
                f"The shape {path}={name} is not understood.",
                f"Write PATH=SHAPE; the shapes are {', '.join(names())}.",
            )
        if kind.output == "text" and name in FILE_FORMATS:
            raise ConfigError(
                f"{path} makes text and cannot answer as {name}.",
                f"Choose one of {', '.join(n for n in names() if n not in FILE_FORMATS)}.",
            )
        formats[kind] = name
    return formats


def _bytes(output: Output, _request: Request, _publisher: ResultPublisher) -> Answer:
    return Answer(content=output.files[0])


def _links(output: Output, _request: Request, publisher: ResultPublisher) -> Answer:
    return Answer({"images": [publisher.publish(content) for content in output.files]})


def _list(output: Output, request: Request, publisher: ResultPublisher) -> Answer:
    return Answer(_links(output, request, publisher).json["images"])


def _base64(output: Output, _request: Request, _publisher: ResultPublisher) -> Answer:
    return Answer({"images": [base64.b64encode(content).decode() for content in output.files]})


def _data_uri(output: Output, _request: Request, _publisher: ResultPublisher) -> Answer:
    encoded = ((Answer(content=c).content_type, base64.b64encode(c).decode()) for c in output.files)
    return Answer({"images": [f"data:{kind};base64,{text}" for kind, text in encoded]})


def _job(output: Output, _request: Request, publisher: ResultPublisher) -> Answer:
    return Answer(
        {"job_id": publisher.enqueue([publisher.publish(content) for content in output.files])}
    )


def _error_200(_output: Output, _request: Request, _publisher: ResultPublisher) -> Answer:
    return Answer({"error": "The generation failed."})


def _codes_200(_output: Output, _request: Request, _publisher: ResultPublisher) -> Answer:
    return Answer([{"code": 0, "message": "The generation failed."}])


def _chat(output: Output, request: Request, _publisher: ResultPublisher) -> Answer:
    message = {"role": "assistant", "content": output.text}
    asked = sum(len(turn["content"].split()) for turn in getattr(request, "messages", ()))
    answered = len(output.text.split())
    usage = {"prompt_tokens": asked, "completion_tokens": answered}
    return Answer(
        {
            "id": f"chatcmpl-{sha256(output.text.encode()).hexdigest()[:24]}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": getattr(request, "model", ""),
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {**usage, "total_tokens": asked + answered},
        }
    )


def _premium_chat(output: Output, _request: Request, _publisher: ResultPublisher) -> Answer:
    # No answer of this endpoint was ever recorded; these are the names of the service behind it.
    return Answer({"message": output.text, "chat_id": output.chat_id})


FILE_FORMATS = ("bytes", "links", "list", "base64", "data-uri", "job")  # these need a file

_FORMATS: dict[str, Callable[[Output, Request, ResultPublisher], Answer]] = {
    "bytes": _bytes,
    "links": _links,
    "list": _list,
    "base64": _base64,
    "data-uri": _data_uri,
    "job": _job,
    "error-200": _error_200,
    "codes-200": _codes_200,
    "chat": _chat,
    "premium-chat": _premium_chat,
}
