"""What an answer says, read from its content and never from the endpoint that was called.

The service changed the shape of its answers often: the same path gave links, raw bytes or a job
number within weeks, and some errors came with status 200. `parse_reply` tells them all apart. Sends
nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import JobFailed
from ..http.call import Response
from ..media.images import sniff
from .service_errors import ErrorResponse

MOST_CONTAINERS = 100_000
DEEPEST = 32
MOST_ENTRIES = 1000
LONGEST_NAME = 300
LONGEST_TEXT = 1_000_000  # characters; a model writes some thousands


@dataclass(frozen=True)
class FilesReply:
    """What was made, in the server's order: the content of a file, or its address.

    An address stands as the server wrote it, nothing about it is checked; None is an entry that is
    neither. At least one is usable.
    """

    parts: tuple[bytes | str | None, ...]


@dataclass(frozen=True)
class TextReply:
    """Text from a language model; `chat_id` is "" where the server keeps no chat."""

    text: str
    chat_id: str = ""


@dataclass(frozen=True)
class JobReply:
    """The work goes on; ask again with this id."""

    id: str


# What the chat templates of small models put around an answer.
_SPEAKER = r"(?:user|assistant|system|bot)[ \t]*:"
_TAG = (
    r"(?:<\|[a-z_]{1,20}\|>|</?s>|<(?:bos|eos|pad|unk|start_of_turn|end_of_turn)>|\[/?INST\]"
    r"|<</?SYS>>|###[ \t]*(?:response|assistant)[ \t]*:?)"
)
_MARK_BEFORE = re.compile(rf"{_TAG}|{_SPEAKER}", re.IGNORECASE)
# Within a line, a speaker may be part of the answer.
_MARK_AFTER = re.compile(rf"(?:{_TAG}|(?:{_TAG}|\n)[ \t]*{_SPEAKER})$", re.IGNORECASE)
MOST_MARKS = 20  # on either side
LONGEST_MARK = 60

_ENDED_BADLY = re.compile("fail|error|cancel|reject|abort|expire", re.IGNORECASE)
_ADDRESS = re.compile(r"\s*(?!data:)[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# What stops a file from being written, moves a terminal's cursor or turns the reading direction.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")

Reply = FilesReply | TextReply | JobReply


def parse_reply(response: Response, mask: Callable[[str], str] = str) -> Reply:
    """The reply in `response`.

    Raises a RequestRejected, OutcomeUnknown, ServerFailed or InvalidResponse.

    `mask` takes the key out of the server's words before they reach a message: services echo the
    request, key included, in their errors.
    """
    if response.status == 200 and sniff(response.body):
        return FilesReply((response.body,))
    error_response = ErrorResponse(response, mask)
    answer = _answer(response, error_response)
    reply = _understood(answer)
    if reply is None:
        raise error_response.invalid("sent an answer without picture, link or text")
    return reply


def parse_job_reply(response: Response, mask: Callable[[str], str] = str) -> Reply | None:
    """The reply of a finished job, None while it runs. Raises like `parse_reply`."""
    if response.status == 200 and not sniff(response.body):
        error_response = ErrorResponse(response, mask)
        answer = _answer(response, error_response)
        if isinstance(answer, dict) and "status" in answer and not _made(answer):
            if _ENDED_BADLY.search(str(answer["status"])[:LONGEST_NAME]):
                raise error_response.invalid("could not finish the job", JobFailed)
            return None
    return parse_reply(response, mask)


def parse_names(response: Response, mask: Callable[[str], str] = str) -> list[str]:
    """The names in a catalog's answer. Raises like `parse_reply`, but nothing was charged."""
    error_response = ErrorResponse(response, mask, of_list=True)
    names = _answer(response, error_response)
    if not (isinstance(names, list) and names and all(_is_plain(n) for n in names)):
        raise error_response.invalid("sent something other than a list of names")
    return list(dict.fromkeys(map(mask, names)))


def _answer(response: Response, error_response: ErrorResponse) -> Any:
    """The JSON in `response`; raises the error that its status, its text or its look stands for."""
    try:
        answer = parse_json(response.body)
    except ValueError:
        raise error_response.without_words() from None
    error_response.raise_for_error(answer)
    return answer


def parse_json(content: bytes) -> Any:
    """JSON from a stranger: UTF-8, -16 or -32, without NaN and infinities, not too deep.

    Raises ValueError.
    """
    # Small brackets become large objects: 16 MiB of them would take 400 MB.
    if content.count(b"[") + content.count(b"{") > MOST_CONTAINERS:
        raise ValueError("too many parts")
    try:
        answer = json.loads(content, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("too deep") from None
    level, depth = [answer], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ValueError("too deep")
        held = [e for e in level if isinstance(e, dict | list)]
        level = [e for h in held for e in (h.values() if isinstance(h, dict) else h)]
    return answer


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number out of range")
    return number


def _is_plain(text: object) -> bool:
    """Text that can be a name or an address: printable, in one piece."""
    return isinstance(text, str) and 0 < len(text) <= LONGEST_NAME and text.isprintable()


def _understood(answer: Any) -> Reply | None:
    if isinstance(answer, list):
        return _files(answer)
    if not isinstance(answer, dict):
        return None
    if files := _made(answer):
        return files
    if _is_id(job := answer.get("job_id")):
        return JobReply(str(job))
    return _words(answer)


def _made(answer: dict[str, Any]) -> FilesReply | None:
    for key in ("images", "image", "urls", "url", "output"):
        if answer.get(key):
            found = answer[key] if isinstance(answer[key], list) else [answer[key]]
            if files := _files(found):
                return files
    return None


def _files(entries: list[Any]) -> FilesReply | None:
    parts = tuple(_part(entry) for entry in entries[:MOST_ENTRIES])
    return FilesReply(parts) if any(parts) else None


def _part(entry: Any) -> bytes | str | None:
    if not isinstance(entry, str):
        return None
    if _ADDRESS.match(entry):
        return entry
    # Base64 of a JPEG begins with a slash, too.
    return _decoded(entry) or (entry if entry.startswith("/") else None)


def _decoded(text: str) -> bytes:
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        content = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return content if sniff(content) else b""


def _words(answer: dict[str, Any]) -> TextReply | None:
    choices = answer.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        text = _content(choices[0].get("message")) or _content(choices[0].get("text"))
    else:
        keys = ("message", "response", "text", "answer", "content", "result")
        text = next((t for t in (_content(answer.get(k)) for k in keys) if t), "")
    names = ("chat_id", "chatId", "chatCode", "chat_code", "id")
    chat_id = next((str(answer[n]) for n in names if _is_id(answer.get(n))), "")
    chat_id = _UNFIT.sub("", chat_id[:LONGEST_NAME])
    return TextReply(text, chat_id) if text else None


def _is_id(value: object) -> bool:
    """Chats are numbered from 0 by some servers."""
    return value != "" and isinstance(value, str | int) and not isinstance(value, bool)


def _content(message: Any) -> str:
    if isinstance(message, dict):
        message = message.get("content")
    if not isinstance(message, str):
        return ""
    return _unmarked(_UNFIT.sub("", message[:LONGEST_TEXT]).strip())


def _unmarked(text: str) -> str:
    # One by one and only at the very ends: a search would try every blank of a text of blanks.
    for _ in range(MOST_MARKS):
        if mark := _MARK_BEFORE.match(text):
            text = text[mark.end() :].lstrip()
        elif mark := _MARK_AFTER.search(text, max(0, len(text) - LONGEST_MARK)):
            text = text[: mark.start()].rstrip()
        else:
            break
    return text
