"""Fetches the files that result URLs name.

A result URL comes from the server and is not trusted: it must lie on the API's own origin or be
plain https. The session here never sees the key, follows redirects by hand under the same rule,
and sends no cookie, login or referrer.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from .config import Profile
from .errors import BlockedURL, Cancelled, ResultLost, UnsafeContent, VisionCraftError, clip
from .transport import (
    FILE_LIMIT,
    Call,
    Response,
    Session,
    ShouldCancel,
    exchange,
    never,
    origin_of,
)

LONGEST_URL = 4096
MOST_REDIRECTS = 3
TRIES = 3


class Downloads:
    """Result files of one profile, over a pooled connection."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._session = Session()

    def fetch(self, url: str, *, should_cancel: ShouldCancel = never) -> bytes:
        """The bytes behind `url`. Raises BlockedURL, ResultLost or what `exchange` raises."""
        for _ in range(MOST_REDIRECTS + 1):
            self._check(url)
            timeouts = self._profile.timeouts
            call = Call("GET", url, timeouts, FILE_LIMIT, should_cancel=should_cancel)
            response = self._exchanged(call)
            self._session.cookies.clear()
            if response.status == 200 and response.body:
                return response.body
            target = response.headers.get("Location")
            if not (300 <= response.status < 400 and target):
                raise _lost(url, f"answered {response.status} for", response.status)
            url = urljoin(url, target)
        raise _lost(url, "redirects without end for")

    def _exchanged(self, call: Call) -> Response:
        """The answer to `call`, asked again when the connection fails: fetching costs nothing."""
        for _ in range(TRIES):
            try:
                return exchange(self._session, call)
            except (Cancelled, UnsafeContent):
                raise
            except VisionCraftError:
                continue
        raise _lost(call.url, "did not deliver")

    def _check(self, url: str) -> None:
        odd = any(ord(c) <= 0x20 or c == "\x7f" or c == "\\" for c in url)
        try:
            parts = urlsplit(url)
            usable = bool(parts.hostname) and parts.port != 0 and parts.username is None
        except ValueError:
            raise _blocked("is not a usable address") from None
        if odd or len(url) > LONGEST_URL or not usable or parts.scheme not in ("http", "https"):
            raise _blocked("is not a usable address")
        same = origin_of(url) == origin_of(self._profile.base_url)
        if not same and (parts.scheme != "https" or parts.port not in (None, 443)):
            raise _blocked(
                f"points to {clip(origin_of(url), 80)}, which is neither the API nor https"
            )


def _blocked(why: str) -> BlockedURL:
    return BlockedURL(
        f"The server sent a result link that {why}, so it was not fetched.",
        "Check that the base URL is the VisionCraft API.",
        phase="download",
    )


def _lost(url: str, what: str, status: int | None = None) -> VisionCraftError:
    return ResultLost(
        f"{origin_of(url)} {what} a finished result.",
        "The result was made and may have been counted; run again to ask for it once more.",
        phase="download",
        status=status,
    )
