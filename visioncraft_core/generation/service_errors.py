"""What it means when a server refuses a request, and what the user is told.

The texts of the service were seen with several statuses, and errors with status 200, so its words
count before its status.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import (
    Charged,
    EndpointNotFound,
    FieldRejected,
    HTMLResponse,
    InvalidResponse,
    KeyRejected,
    OutcomeUnknown,
    PremiumRequired,
    RateLimited,
    RequestRejected,
    ServerBusy,
    ServerFailed,
    UnknownAnswer,
    UploadTooLarge,
    VisionCraftError,
    clip,
)
from ..http.call import Response
from ..profiles.profile import DEFAULT_BASE_URL, PUBLIC_SERVICE_IS_GONE
from ..profiles.secret import redact
from ..urls import origin_of
from .progress import in_words
from .retry import retry_after

EXCERPT = 120  # characters of the server's own words in a message
WORDS = 2000  # characters of them that are examined
LONGEST = 2**16  # characters; no error text is longer
SEE_OTHER = 303
FAILURE_WORDS = frozenset(
    ("error", "errored", "fail", "failed", "failure", "cancelled", "canceled", "rejected")
    + ("aborted", "expired", "timeout", "timed_out")
)
_ADVICE_AT_DEFAULT: dict[type[VisionCraftError], str] = {  # only about the public service
    KeyRejected: "Check the key; it also stops working when its Telegram account leaves the "
    "VisionCraft channel.",
    EndpointNotFound: PUBLIC_SERVICE_IS_GONE,
}
LIST_ADVICE = "Check that the base URL is the VisionCraft API, or try again later."

E = TypeVar("E", bound=VisionCraftError)

_SAME_AS: dict[int | str, int] = {403: 401, 413: 402, 405: 404, 409: 408, 425: 408}
_BY_STATUS: dict[int | str, tuple[type[VisionCraftError], str, str]] = {
    401: (
        KeyRejected,
        "did not accept the key{quote}.",
        "Check the key, or ask whoever runs the server for another one.",
    ),
    402: (
        PremiumRequired,
        "requires a premium account for this{quote}.",
        "Use a premium key.",
    ),
    404: (
        EndpointNotFound,
        "has no such path ({status}).",
        "Check the base URL of this server; it is most likely wrong.",
    ),
    408: (  # which leaves open whether the work was begun
        OutcomeUnknown,
        "answered with status {status}{quote}.",
        "The job may have been charged. Check your account before you run it again.",
    ),
    422: (FieldRejected, "refused a value{quote}.", "Change the value and run again."),
    "host": (
        EndpointNotFound,
        "does not answer under this address{quote}.",
        "Set the base URL to an address that the server knows as its own.",
    ),
    "too large": (UploadTooLarge, "found the upload too large{quote}.", "Send a smaller picture."),
    "busy": (ServerBusy, "is busy{quote}.", "Run again a little later."),
    "failed": (
        ServerFailed,
        "failed with status {status}{quote}.",
        "Try again later; the job may have been charged.",
    ),
}
_HOST = re.compile(r"\b(host|origin)\b", re.IGNORECASE)
_SIZE = re.compile(r"\b(large|size|bytes)\b", re.IGNORECASE)
_UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}


class ErrorResponse:
    """One response, with what is needed to turn it into an error.

    `mask` takes the key out of the server's words: services echo the request in their errors.
    `of_list` says that only a list was asked for: then nothing can have been counted.
    """

    def __init__(
        self, response: Response, mask: Callable[[str], str], *, of_list: bool = False
    ) -> None:
        self._response = response
        self._mask = mask
        self._of_list = of_list

    def raise_for_error(self, answer: Any) -> None:
        """Raises the refusal that `answer` and its status amount to, if any."""
        words = self._masked(error_text(answer))
        if not words and self._response.is_success:
            return
        if error := self._by_words(words) or self._by_status(words):
            raise error
        if self._response.is_success or 400 <= self._status < 500:
            raise self._error(
                RequestRejected,
                f"refused the request: {self._quote(words)}.",
                "Change the request and run again.",
                # It may have failed only after the work.
                charged="maybe" if self._response.is_success else None,
            )
        raise self.invalid(f"returned unexpected status {self._status}")

    def without_words(self) -> VisionCraftError:
        """The error for an answer that is neither a file nor JSON."""
        if error := self._by_status(""):
            return error
        if not 200 <= self._status < 300:
            return self.invalid(f"returned unexpected status {self._status}")
        if not self._response.body.strip():
            return self.invalid("sent an empty answer")
        title = self._title()
        if title is None:
            return self.invalid("sent an answer that is neither a file nor JSON")
        called = f' called "{self._quote(title)}"' if title else ""
        return self.invalid(f"sent a web page{called} instead of an answer", HTMLResponse)

    def invalid(
        self, message: str, kind: type[InvalidResponse] = InvalidResponse
    ) -> InvalidResponse:
        advice = "Check that the base URL is the VisionCraft API; the job may have been charged."
        return self._error(kind, f"{message}.", advice)

    def unknown(self, message: str) -> UnknownAnswer:
        advice = (
            "A later version may read the answer, which is stored. Change seed to ask again, which "
            "is another job."
        )
        return self._error(UnknownAnswer, f"{message}.", advice)

    @property
    def _status(self) -> int:
        return self._response.status

    def _error(
        self,
        kind: type[E],
        message: str,
        advice: str,
        wait: float | None = None,
        charged: Charged | None = None,
    ) -> E:
        if self._of_list:
            charged = "no"
            # The others are about the value, the picture or the job of a call that makes something.
            if not issubclass(kind, KeyRejected | RateLimited | ServerBusy | EndpointNotFound):
                advice = LIST_ADVICE
        return kind(
            f"{clip(self._response.origin, 80)} {message}",
            advice,
            phase="reply",
            status=self._status,
            retry_after=wait,
            charged=charged,
        )

    def _masked(self, words: str) -> str:
        """The server's `words` without key and logins."""
        if len(words) > LONGEST:
            return f"a text of {len(words)} characters"
        # Hidden before anything is cut off: half a key is still half a key.
        return redact(self._mask(words))[:WORDS]

    def _quote(self, words: str) -> str:
        return clip(words, EXCERPT).rstrip(".") or f"status {self._status}"

    def _title(self) -> str | None:
        """The title of a web page, "" if it has none; None for anything else."""
        start = self._mask(self._response.body[:LONGEST].decode("utf-8", "replace"))[:4096]
        if not re.search(r"<html|<!doctype", start, re.IGNORECASE):
            return None
        # With its end: where the page is cut off, half a key may stand.
        title = re.search(r"<title[^>]*>([^<]*)</title", start, re.IGNORECASE)
        return self._masked(title[1]) if title else ""

    def _by_words(self, words: str) -> VisionCraftError | None:
        limit = re.search(r"\bper\s+(\d{1,6})?\s*(second|minute|hour)", words, re.IGNORECASE)
        if limit and "users can" in words.lower():
            # The words name the whole window; a server that counts knows how much of it is left.
            left = retry_after(self._response.headers.get("Retry-After", ""), time.time())
            window = float(limit[1] or 1) * _UNITS[limit[2].lower()]
            return self._rate_limited(words, window if left is None else left)
        if unknown := re.search(r"doesn't have\s+(\w{1,40})", words):
            return self._error(
                FieldRejected,
                f"does not know this {unknown[1]}: {self._quote(words)}.",
                f"Choose another {unknown[1]} and run again.",
            )
        return None

    def _by_status(self, words: str) -> VisionCraftError | None:
        status: int | str = self._status
        wait = retry_after(self._response.headers.get("Retry-After", ""), time.time())
        if 300 <= self._status < 400:
            return self._redirected()
        if status == 429:
            return self._rate_limited(words, wait)
        if status == 503 and wait is not None:
            status = "busy"
        elif 500 <= self._status < 600:
            status, words = "failed", words or self._title() or ""
        elif status == 413 and (self._title() is not None or _SIZE.search(words)):
            # The service's own 413 means a paid account; a proxy's means the size of a picture.
            status = "too large"
        elif status == 421 or (status == 403 and _HOST.search(words)):
            status = "host"  # which no key can change
        found = _BY_STATUS.get(_SAME_AS.get(status, status))
        if not found:
            return None
        kind, message, advice = found
        if self._response.origin == DEFAULT_BASE_URL:
            advice = _ADVICE_AT_DEFAULT.get(kind, advice)
        quote = f": {self._quote(words)}" if words else ""
        message = message.format(quote=quote, status=self._status)
        return self._error(kind, message, advice, wait if status == "busy" else None)

    def _redirected(self) -> VisionCraftError:
        # Hidden before it is taken apart: a part of the key would not be recognised.
        location = self._mask(self._response.headers.get("Location", ""))
        try:
            target = origin_of(location)
        except ValueError:
            target = ""
        known = target.startswith(("http://", "https://")) and len(target) > 8
        if self._status == SEE_OTHER and not self._of_list:
            # The request was carried out, and its answer is elsewhere (RFC 9110, 15.4.4).
            return self._error(
                OutcomeUnknown,
                f"redirected the answer ({self._status}).",
                "The job may have been charged. Check your account before you run it again.",
            )
        return self._error(
            EndpointNotFound if location else InvalidResponse,
            f"redirected the request ({self._status}).",
            f"Set the base URL to {clip(target, 80)}."
            if known
            else "Check the base URL of this server.",
        )

    def _rate_limited(self, words: str, wait: float | None) -> RateLimited:
        pause = f"Wait {in_words(wait)}" if wait else "Wait a little"
        quote = f": {self._quote(words)}" if words else ""
        return self._error(
            RateLimited, f"asks to slow down{quote}.", f"{pause} and run again.", wait
        )


def error_text(answer: Any) -> str:
    """The server's own words about a failure, "" if the answer is none."""
    if isinstance(answer, dict):
        found = next((answer[k] for k in ("error", "err", "detail") if answer.get(k)), "")
        if not found and "job_id" in answer and not answer["job_id"]:
            return "the job was not accepted"
        if isinstance(found, bool) or (reports_failure(answer) and not found):
            found = next((answer[k] for k in ("message", "msg", "reason") if answer.get(k)), "")
            return _phrase(found) or "no reason was given"
        return _phrase(found)
    if isinstance(answer, list) and answer and isinstance(answer[0], dict) and "code" in answer[0]:
        return _phrase(answer[0])
    return ""


def names_error(answer: dict[str, Any]) -> bool:
    """Whether an answer names an error; what it calls its message may be about that."""
    return bool(answer.get("error") or answer.get("err"))


def reports_failure(answer: dict[str, Any]) -> bool:
    """Whether an answer says of itself that it is none, in a member that means nothing else."""
    if any(str(answer.get(name)).lower() == "false" for name in ("success", "ok")):
        return True
    status = answer.get("status")
    if isinstance(status, str) and status.strip().lower() in FAILURE_WORDS:
        return True
    codes = (answer.get(name) for name in ("status", "code", "statusCode", "status_code"))
    return any(type(code) is int and 400 <= code < 600 for code in codes)


def _phrase(found: Any) -> str:
    if isinstance(found, dict):
        return _phrase(found.get("message") or found.get("msg") or "an unnamed error")
    if isinstance(found, list):
        return "; ".join(_field_error(entry) for entry in found[:3])
    return str(found) if found else ""


def _field_error(entry: Any) -> str:
    # FastAPI's form; `input`, which echoes the body and with it the key, is never looked at.
    if not isinstance(entry, dict):
        return _phrase(entry)
    place = entry.get("loc")
    field = str(place[-1]) if isinstance(place, list) and place else ""
    return f"{field} {_phrase(entry.get('msg', ''))}".strip()
