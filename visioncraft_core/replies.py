"""What an answer says, read from its content and never from the endpoint that was called.

The service changed the shape of its answers often: the same path gave links, raw bytes or a job
number within weeks, and some errors came with status 200. `read` tells them all apart. Sends
nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import (
    BadReply,
    EndpointNotFound,
    FieldRejected,
    KeyRejected,
    PremiumRequired,
    RateLimited,
    Refused,
    ServerFailed,
    VisionCraftError,
    clip,
)
from .media import sniff
from .transport import Response, origin_of

EXCERPT = 120  # characters of the server's own words in a message


@dataclass(frozen=True)
class Files:
    """Files that came in the answer itself."""

    contents: tuple[bytes, ...]


@dataclass(frozen=True)
class Links:
    """Addresses of finished files."""

    urls: tuple[str, ...]


@dataclass(frozen=True)
class Words:
    """Text from a language model; `chat_id` is "" where the server keeps no chat."""

    text: str
    chat_id: str = ""


@dataclass(frozen=True)
class Job:
    """The work goes on; ask again with this id."""

    id: str


_LABEL = (
    r"(?:(?:user|assistant|system|bot)\s*:|<\|?/?[a-z_]+\|?>|###\s*(?:response|assistant)\s*:?)"
)
_LABELS_BEFORE = re.compile(rf"^\s*(?:{_LABEL}\s*)+", re.IGNORECASE)
_LABELS_AFTER = re.compile(rf"(?:\s*{_LABEL})+\s*$", re.IGNORECASE)

Reply = Files | Links | Words | Job


def read(response: Response, hide: Callable[[str], str] = str) -> Reply:
    """The reply in `response`. Raises a Refused, ServerFailed or BadReply.

    `hide` takes the key out of the server's words before they reach a message: services echo the
    request, key included, in their errors.
    """
    reader = _Reader(response, hide)
    if response.status == 200 and sniff(response.body):
        return Files((response.body,))
    answer = reader.json()
    reader.raise_refusal(answer)
    reply = _understood(answer)
    if reply is None:
        raise reader.bad("sent an answer without picture, link or text")
    return reply


def read_job(response: Response, hide: Callable[[str], str] = str) -> Reply | None:
    """The reply of a finished job, None while it runs. Raises like `read`."""
    if response.status == 200 and not sniff(response.body):
        reader = _Reader(response, hide)
        answer = reader.json()
        reader.raise_refusal(answer)
        if isinstance(answer, dict) and "status" in answer and not answer.get("image"):
            if "fail" in str(answer["status"]).lower():
                raise reader.bad("could not finish the job")
            return None
    return read(response, hide)


def read_names(response: Response, hide: Callable[[str], str] = str) -> list[str]:
    """The names in a catalog's answer. Raises like `read`."""
    reader = _Reader(response, hide)
    names = reader.json()
    if not (isinstance(names, list) and names and all(isinstance(n, str) for n in names)):
        reader.raise_refusal(names)
        raise reader.bad("sent something other than a list of names")
    return list(dict.fromkeys(names))


def _understood(answer: Any) -> Reply | None:
    if isinstance(answer, list):
        return _files_or_links(answer)
    if not isinstance(answer, dict):
        return None
    for key in ("images", "image", "urls", "url", "output"):
        if answer.get(key):
            found = answer[key] if isinstance(answer[key], list) else [answer[key]]
            if reply := _files_or_links(found):
                return reply
    if job := answer.get("job_id"):
        return Job(str(job))
    return _words(answer)


def _files_or_links(entries: list[Any]) -> Files | Links | None:
    if not entries or not all(isinstance(e, str) and e for e in entries):
        return None
    if all(e.startswith(("http://", "https://")) for e in entries):
        return Links(tuple(entries))
    contents = tuple(_decoded(e) for e in entries)
    return Files(contents) if all(contents) else None


def _decoded(text: str) -> bytes:
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        content = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return content if sniff(content) else b""


def _words(answer: dict[str, Any]) -> Words | None:
    choices = answer.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        text = _content(choices[0].get("message")) or _content(choices[0].get("text"))
    else:
        keys = ("message", "response", "text", "answer", "content", "result")
        text = next((t for t in (_content(answer.get(k)) for k in keys) if t), "")
    names = ("chat_id", "chatId", "chatCode", "chat_code", "id")
    chat_id = next((str(answer[n]) for n in names if answer.get(n)), "")
    return Words(text, chat_id) if text else None


def _content(message: Any) -> str:
    if isinstance(message, dict):
        message = message.get("content")
    if not isinstance(message, str):
        return ""
    # Small models leave marks of their chat template around the answer.
    return _LABELS_AFTER.sub("", _LABELS_BEFORE.sub("", message)).strip()


class _Reader:
    """One response with what is needed to complain about it."""

    def __init__(self, response: Response, hide: Callable[[str], str]) -> None:
        self.response = response
        self.hide = hide

    def json(self) -> Any:
        """The body as JSON; anything else raises what its status or its look suggests."""
        try:
            return json.loads(self.response.body)
        except (ValueError, RecursionError):
            self._raise_by_status("")
            raise self.bad(self._looks()) from None

    def raise_refusal(self, answer: Any) -> None:
        words = _complaint(answer)
        if words or self.response.status != 200:
            self._raise_by_text(words)
            self._raise_by_status(words)
            raise Refused(
                f"{self._server} refused the request: {self._quote(words)}.",
                "Change the request and run again.",
                phase="reply",
                status=self.response.status,
            )

    def bad(self, what: str) -> BadReply:
        return BadReply(
            f"{self._server} {what}.",
            "Check that the base URL is the VisionCraft API; the job may have been counted.",
            phase="reply",
            status=self.response.status,
        )

    @property
    def _server(self) -> str:
        return clip(self.response.origin, 80)

    def _quote(self, words: str) -> str:
        # Hidden before it is clipped: half a key is still half a key.
        return clip(self.hide(words), EXCERPT).rstrip(".") or f"status {self.response.status}"

    def _looks(self) -> str:
        body = self.response.body
        if not body.strip():
            return "sent an empty answer"
        start = body[:2048].decode("utf-8", "replace")
        if "<html" in start.lower() or "<!doctype" in start.lower():
            title = re.search(r"<title[^>]*>([^<]*)", start, re.IGNORECASE)
            named = f' called "{self._quote(title[1])}"' if title else ""
            return f"sent a web page{named} instead of an answer"
        return "sent an answer that is neither a file nor JSON"

    def _raise_by_text(self, words: str) -> None:
        # The texts were seen with several statuses, so they count before the status.
        limit = re.search(r"\bper\s+(\d+)?\s*(second|minute|hour)", words, re.IGNORECASE)
        if limit and "users can" in words.lower():
            unit = {"second": 1.0, "minute": 60.0, "hour": 3600.0}[limit[2].lower()]
            raise self._rate_limited(words, float(limit[1] or 1) * unit)
        if unknown := re.search(r"doesn't have\s+(\w+)", words):
            raise FieldRejected(
                f"{self._server} does not know this {unknown[1]}: {self._quote(words)}.",
                f"Choose another {unknown[1]} and run again.",
                phase="reply",
                status=self.response.status,
            )

    def _raise_by_status(self, words: str) -> None:
        status = self.response.status
        if status == 429:
            after = self.response.headers.get("Retry-After", "").strip()
            wait = float(after) if after.isascii() and after.isdigit() and len(after) < 7 else None
            raise self._rate_limited(words, wait)
        if error := self._by_status(status, words):
            raise error

    def _by_status(self, status: int, words: str) -> VisionCraftError | None:
        said = f": {self._quote(words)}" if words else ""
        if 300 <= status < 400:
            target = origin_of(self.response.headers.get("Location", ""))
            kind, what, advice = (
                EndpointNotFound,
                f"{self._server} sends us elsewhere ({status}).",
                f"Set the base URL to {clip(target, 80)}."
                if "://" in target and len(target) > 8
                else "Check the base URL of this server.",
            )
        elif status in (401, 403):
            kind, what, advice = (
                KeyRejected,
                f"{self._server} did not accept the key{said}.",
                "Check the key; it also stops working when its Telegram account leaves the "
                "VisionCraft channel.",
            )
        elif status in (402, 413):
            kind, what, advice = (
                PremiumRequired,
                f"{self._server} wants a premium account for this, or found the upload too "
                f"large{said}.",
                "Choose a free model, use a premium key, or send a smaller picture.",
            )
        elif status in (404, 405):
            kind, what, advice = (
                EndpointNotFound,
                f"{self._server} has no such path ({status}).",
                "Check the base URL of this server; it is most likely wrong.",
            )
        elif status == 422:
            kind, what, advice = (
                FieldRejected,
                f"{self._server} refused a value{said}.",
                "Change the value and run again.",
            )
        elif status >= 500:
            kind, what, advice = (
                ServerFailed,
                f"{self._server} failed with status {status}{said}.",
                "Try again later; the job may have been counted.",
            )
        else:
            return None
        return kind(what, advice, phase="reply", status=status)

    def _rate_limited(self, words: str, wait: float | None) -> RateLimited:
        pause = f"Wait {wait:g} s" if wait else "Wait a little"
        said = f": {self._quote(words)}" if words else ""
        return RateLimited(
            f"{self._server} asks to slow down{said}.",
            f"{pause} and run again.",
            phase="reply",
            status=self.response.status,
            retry_after=wait,
        )


def _complaint(answer: Any) -> str:
    """The server's own words about a failure, "" if the answer is none."""
    if isinstance(answer, dict):
        found = next((answer[k] for k in ("error", "err", "detail") if answer.get(k)), "")
        if not found and "job_id" in answer and not answer["job_id"]:
            return "the job was not accepted"
        return _phrase(found)
    if isinstance(answer, list) and answer and isinstance(answer[0], dict) and "code" in answer[0]:
        return _phrase(answer[0])
    return ""


def _phrase(found: Any) -> str:
    if isinstance(found, dict):
        return _phrase(found.get("message") or found.get("msg") or "an unnamed error")
    if isinstance(found, list):
        return "; ".join(_field_complaint(entry) for entry in found[:3])
    return str(found) if found else ""


def _field_complaint(entry: Any) -> str:
    # FastAPI's form; `input`, which echoes the body and with it the key, is never looked at.
    if not isinstance(entry, dict):
        return _phrase(entry)
    place = entry.get("loc")
    field = str(place[-1]) if isinstance(place, list) and place else ""
    return f"{field} {entry.get('msg', '')}".strip()
