"""What an answer says, read from its content and never from the endpoint that was called.

The service changed the shape of its answers often: the same path gave links, raw bytes or a job
number within weeks, and some errors came with status 200. `parse_reply` tells them all apart. Sends
nothing.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ..base64_text import b64decode
from ..errors import JobFailed
from ..http.call import Response
from ..json_limits import json_cost
from ..media.images import sniff
from ..plain_text import plain
from .service_errors import (
    FAILURE_WORDS,
    ErrorResponse,
    error_text,
    names_error,
    reports_failure,
)

MOST_COST = 256 * 2**20  # bytes in memory; 64 MiB of base64 come to half of it
DEEPEST = 32
MOST_ENTRIES = 1000
TOO_DEEP = "parts that are nested too deep"
LONGEST_NAME = 300
LONGEST_TEXT = 1_000_000  # characters; a model writes some thousands


@dataclass(frozen=True)
class FilesReply:
    """What was made, in the server's order: the content of a file, or its address.

    An address stands as the server wrote it, nothing about it is checked; None is an entry that is
    neither. At least one is usable. `note` is what the server said beside it.
    """

    parts: tuple[bytes | str | None, ...]
    note: str = ""


@dataclass(frozen=True)
class TextReply:
    """Text from a language model; `chat_id` is "" where the server keeps no chat, `thoughts` what
    the model wrote before its answer, `note` what the server said beside it."""

    text: str
    chat_id: str = ""
    thoughts: str = ""
    note: str = ""


@dataclass(frozen=True)
class JobReply:
    """The work goes on; ask again with this id."""

    id: str


# What the chat templates of models put around an answer.
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
# Where the model's turn begins and ends: of Llama 3, ChatML, Gemma, Zephyr, Mistral and gpt-oss.
_TURN_BEGINS = re.compile(
    r"<\|start_header_id\|>\s?assistant\s?<\|end_header_id\|>|<\|im_start\|>\s?assistant\b"
    r"|<start_of_turn>\s?model\b|<\|assistant\|>|\[/INST\]|<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)
_TURN_ENDS = re.compile(r"<\|(?:eot_id|im_end|end|return|endoftext)\|>|<end_of_turn>|</s>")
_THOUGHTS = re.compile(r"<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)

_ADDRESS = re.compile(r"\s{0,99}(?!data:)[a-z][a-z0-9+.-]{0,30}:", re.IGNORECASE)

Reply = FilesReply | TextReply | JobReply


def parse_reply(response: Response, mask: Callable[[str], str] = str) -> Reply:
    """The reply in `response`: files or text are a result, whatever is said beside them.

    Raises a RequestRejected, OutcomeUnknown, ServerFailed or InvalidResponse; UnknownAnswer where
    something came that a later version may understand.

    `mask` takes the key out of the server's words before they reach a message: services echo the
    request, key included, in their errors.
    """
    if response.is_success and sniff(response.body):
        return FilesReply((response.body,))
    error_response = ErrorResponse(response, mask)
    answer = _answer(response, error_response)
    if response.is_success and (reply := _understood(answer)):
        return reply
    error_response.raise_for_error(answer)
    if _calls_tools(answer):
        raise error_response.unknown("answered with a call of a tool instead of text")
    if isinstance(answer, dict) and any(answer.values()):
        raise error_response.unknown("sent an answer without picture, link or text")
    raise error_response.invalid("sent an answer without picture, link or text")


def parse_job_reply(response: Response, mask: Callable[[str], str] = str) -> Reply | None:
    """The reply of a finished job, None while it runs. Raises like `parse_reply`, and JobFailed."""
    if response.is_success and not sniff(response.body):
        error_response = ErrorResponse(response, mask)
        answer = _answer(response, error_response)
        if isinstance(answer, dict) and "status" in answer and not _made(answer):
            # Only as a whole word: "running (0 errors so far)" is no end.
            if str(answer["status"]).strip().lower() in FAILURE_WORDS:
                raise error_response.invalid("could not finish the job", JobFailed)
            return None
    return parse_reply(response, mask)


def parse_names(response: Response, mask: Callable[[str], str] = str) -> list[str]:
    """The names in a catalog's answer, none where the server offers none. Raises like
    `parse_reply`, but nothing was charged."""
    error_response = ErrorResponse(response, mask, of_list=True)
    names = _answer(response, error_response)
    error_response.raise_for_error(names)
    if not (isinstance(names, list) and all(_is_plain(n) for n in names)):
        raise error_response.invalid("sent something other than a list of names")
    return list(dict.fromkeys(map(mask, dict.fromkeys(names))))


def _answer(response: Response, error_response: ErrorResponse) -> Any:
    """The JSON in `response`; raises the error that its status or its look stands for."""
    try:
        return parse_json(response.body)
    except ExcessiveJSON as error:
        if response.is_success:
            raise error_response.unknown(f"sent an answer with {error}") from None
        raise error_response.without_words() from None
    except ValueError:
        raise error_response.without_words() from None


class ExcessiveJSON(ValueError):
    """JSON that would take more memory than is safe, or is nested too deep. `str` names it."""


def parse_json(content: bytes) -> Any:
    """JSON from a stranger: UTF-8, -16 or -32. NaN and infinities, which some write though JSON has
    none, become None. Raises ValueError, of which ExcessiveJSON says nothing against the form."""
    if json_cost(content) > MOST_COST:
        raise ExcessiveJSON("more parts or wider text than is safe to read")
    try:
        answer = json.loads(content, parse_constant=lambda _: None, parse_float=_finite)
    except RecursionError:
        raise ExcessiveJSON(TOO_DEEP) from None
    level, depth = [answer], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ExcessiveJSON(TOO_DEEP)
        held = [e for e in level if isinstance(e, dict | list)]
        level = [e for h in held for e in (h.values() if isinstance(h, dict) else h)]
    return answer


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _is_plain(text: object) -> bool:
    """Text that can be a name or an address: printable, in one piece."""
    return isinstance(text, str) and 0 < len(text) <= LONGEST_NAME and text.isprintable()


def _understood(answer: Any) -> Reply | None:
    if isinstance(answer, list):
        return _files(answer)
    if not isinstance(answer, dict):
        return None
    note = error_text(answer)
    if files := _made(answer):
        return replace(files, note=note)
    failed = reports_failure(answer) or names_error(answer)
    if _is_id(job := answer.get("job_id")) and len(str(job)) <= LONGEST_NAME and not failed:
        return JobReply(str(job))
    if text := _words(answer):
        return replace(text, note=note)
    return None


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
    for letters in (lambda: encoded, lambda: "".join(encoded.split())):  # few have line breaks
        with suppress(binascii.Error, ValueError):
            content = b64decode(letters(), validate=True)
            return content if sniff(content) else b""
    return b""


def _words(answer: dict[str, Any]) -> TextReply | None:
    for message in _messages(answer):
        text, thoughts = _content(message)
        if text:
            names = ("chat_id", "chatId", "chatCode", "chat_code", "id")
            chat_id = next((str(answer[n]) for n in names if _is_id(answer.get(n))), "")
            return TextReply(text, plain(chat_id[:LONGEST_NAME]), thoughts)
    return None


def _messages(answer: dict[str, Any]) -> Iterator[Any]:
    """What may hold a model's words, the likeliest first."""
    choices = answer.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            yield choice.get("message")
            yield choice.get("text")
    if reports_failure(answer):
        return  # then these are about the failure
    message = answer.get("message")
    if isinstance(message, dict) or not names_error(answer):
        yield message
    yield from (answer.get(n) for n in ("response", "text", "answer", "content", "result"))


def _calls_tools(answer: Any) -> bool:
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choices = choices if isinstance(choices, list) else []
    messages = [c.get("message") for c in choices if isinstance(c, dict)]
    return any(
        isinstance(m, dict) and (m.get("tool_calls") or m.get("function_call")) for m in messages
    )


def _is_id(value: object) -> bool:
    """Chats are numbered from 0 by some servers."""
    return value != "" and isinstance(value, str | int) and not isinstance(value, bool)


def _content(message: Any) -> tuple[str, str]:
    """The text of a model's message, and what it thought before."""
    thoughts = ""
    if isinstance(message, dict):
        found = message.get("reasoning_content") or message.get("reasoning")
        thoughts = found if isinstance(found, str) else ""
        message = message.get("content")
    if isinstance(message, list):
        message = "".join(_part_text(part) for part in message[:MOST_ENTRIES])
    if not isinstance(message, str):
        return "", ""
    text = plain(message[:LONGEST_TEXT]).strip()
    text, more = _without_thoughts(_own_turn(text))
    thoughts = plain(f"{thoughts[:LONGEST_TEXT]}\n{more}").strip()
    return _unmarked(text), thoughts


def _part_text(part: Any) -> str:
    text = part.get("text") if isinstance(part, dict) else part
    return text if isinstance(text, str) else ""


def _own_turn(text: str) -> str:
    """The model's own turn of a text that its template begins: the prompt may stand before it."""
    if not _MARK_BEFORE.match(text):
        return text
    turns = [turn.end() for turn in _TURN_BEGINS.finditer(text)]
    if not turns:
        return text
    starts_with_own = _TURN_BEGINS.match(text)
    text = text[starts_with_own.end() if starts_with_own else turns[-1] :]
    end = _TURN_ENDS.search(text)
    return (text[: end.start()] if end else text).strip()


def _without_thoughts(text: str) -> tuple[str, str]:
    """The answer, and the thoughts in front of it; templates may have written the first tag."""
    first = _THOUGHTS.search(text)
    if not first or (not first[1] and first.start()):
        return text, ""
    last = first if first[1] else None
    for tag in _THOUGHTS.finditer(text, first.end()):
        if tag[1]:
            last = tag
            break
    if last is None:  # cut off in the middle of them
        return "", text[first.end() :].strip()
    begin = 0 if first[1] else first.end()
    return text[last.end() :].strip(), text[begin : last.start()].strip()


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
