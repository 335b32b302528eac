"""What may be sent again, and when.

The API has no idempotency key, so a call that makes something is repeated only where it was surely
not carried out: nothing of it was sent, or the server refused it. Fetching costs nothing and is
repeated more freely. Knows no endpoint and sends nothing itself.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Literal, TypeVar

from ..errors import (
    CertificateError,
    ConnectionFailed,
    DownloadFailed,
    HostNotFound,
    OutcomeUnknown,
    RateLimited,
    RateLimitWaitExceeded,
    ServerBusy,
    TotalTimeout,
    VisionCraftError,
)
from ..profiles.profile import RetryPolicy

UNSENT_ATTEMPTS = 3
REFUSED_ATTEMPTS = 4
FETCH_ATTEMPTS = 4
FETCH_SECONDS = 60.0  # after which a download is not repeated
LONGEST_RETRY_AFTER = 150.0  # seconds; a longer one becomes an error that names it
FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0

T = TypeVar("T")


class RetryBudget:
    """How many repeats a server may still cost; each success gives one back.

    A hundred queued nodes must not each wait out a dead server.
    """

    def __init__(self, tokens: int = 20) -> None:
        self._tokens = self._most = tokens
        self._lock = threading.Lock()

    def take(self) -> bool:
        with self._lock:
            if not self._tokens:
                return False
            self._tokens -= 1
            return True

    def give_back(self) -> None:
        with self._lock:
            self._tokens = min(self._tokens + 1, self._most)


Use = Literal["calls", "files"]

_budgets: dict[tuple[str, Use], RetryBudget] = {}


def retry_budget_of(origin: str, use: Use = "calls") -> RetryBudget:
    """What all calls to `origin` in this process share, or all downloads of its files: links may
    be dead where the API is well."""
    return _budgets.setdefault((origin, use), RetryBudget())  # no other thread interrupts this


def max_post_attempts(error: VisionCraftError, retry_policy: RetryPolicy) -> int:
    """How often a call that makes something may be sent in all when it ends with `error`."""
    if retry_policy == "never" or isinstance(error, RateLimitWaitExceeded):
        return 1
    if isinstance(error, ConnectionFailed) and not isinstance(
        error, HostNotFound | CertificateError
    ):
        return UNSENT_ATTEMPTS
    if isinstance(error, RateLimited | ServerBusy):
        return REFUSED_ATTEMPTS
    if retry_policy == "unknown" and isinstance(error, OutcomeUnknown):
        return UNSENT_ATTEMPTS
    return 1


def max_get_attempts(error: VisionCraftError) -> int:
    """How often something that costs nothing may be asked for when it ends with `error`."""
    if isinstance(error, HostNotFound | CertificateError | TotalTimeout):
        return 1
    transient = (ConnectionFailed, OutcomeUnknown, RateLimited, ServerBusy, DownloadFailed)
    return FETCH_ATTEMPTS if isinstance(error, transient) else 1


def call_with_retries(
    attempt: Callable[[], T],
    max_attempts: Callable[[VisionCraftError], int],
    retry_budget: RetryBudget,
    *,
    wait: Callable[[VisionCraftError, float], None],
    seconds: float = float("inf"),
) -> T:
    """What `attempt` gives, repeated as often as `max_attempts` of its error and the budget allow.

    `wait` is called with the error and how long to wait before each repeat. Nothing is repeated
    after `seconds`. Raises the last error.
    """
    started = time.monotonic()
    done = 0
    while True:
        try:
            result = attempt()
        except VisionCraftError as error:
            done += 1
            pause = pause_after(error, done)
            late = time.monotonic() + (pause or 0) - started > seconds
            if done >= max_attempts(error) or pause is None or late:
                raise
            # A server that names a time is alive, and its pause costs no repeat.
            if error.retry_after is None and not retry_budget.take():
                raise
            wait(error, pause)
        else:
            retry_budget.give_back()
            return result


def pause_after(error: VisionCraftError, done: int) -> float | None:
    """Seconds to wait after attempt number `done`; None where the server asks for too many.

    Exponential with full jitter, unless the server names a time.
    """
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= LONGEST_RETRY_AFTER else None
    return random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** (done - 1)))  # noqa: S311


def retry_after(header: str, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, not below 0; None where it cannot be read.

    It holds seconds as ASCII digits or an HTTP date (RFC 9110, 10.2.3); `now` is seconds since
    1970.
    """
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= 9 else None
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # C's asctime names no zone and means UTC
            moment = moment.replace(tzinfo=timezone.utc)
        return max(0.0, moment.timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
