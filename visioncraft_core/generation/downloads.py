"""Fetches the files that result URLs name.

A result URL comes from the server and is not trusted: it must lie on the API's own origin, on a
host that the profile names, or on the public internet by plain https. The session here never sees
the key, follows redirects by hand under the same rule, and sends no cookie, login or referrer.
"""

from __future__ import annotations

import time
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from urllib.parse import urljoin

from ..cancellation import CancelScope
from ..errors import Cancelled, DownloadFailed, InvalidResponse, UnsafeURL, VisionCraftError, clip
from ..http.addresses import check_url, is_public, percent_encoded
from ..http.byte_budget import ByteBudget
from ..http.call import Call, Response
from ..http.transport import LIST_LIMIT, Session, send_call
from ..profiles.profile import Profile
from ..profiles.secret import MASK
from ..urls import origin_of
from .retry import FETCH_SECONDS, call_with_retries, max_get_attempts, retry_after, retry_budget_of

MOST_REDIRECTS = 3
MADE = "The result was made and may have been charged."
FIRST_BYTE_SECONDS = 60.0  # the file is finished already


class Downloads:
    """Result files of one profile, over a pooled connection."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._retry_budget = retry_budget_of(origin_of(profile.base_url), "files")
        self._session = Session()
        # Clearing the jar would be too late: files are fetched side by side.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def fetch(self, url: str, budget: ByteBudget, scope: CancelScope) -> bytes:
        """The bytes behind `url`, asked for again when that fails: fetching costs nothing.

        They are taken off `budget`, which the files of one answer share.

        Raises UnsafeURL, DownloadFailed, InvalidResponse where the answer is no file, or Cancelled.
        """
        try:
            return call_with_retries(
                lambda: self._followed(url, budget, scope),
                max_get_attempts,
                self._retry_budget,
                wait=lambda _, seconds: scope.sleep(seconds, "download"),
                seconds=FETCH_SECONDS,
            )
        except (UnsafeURL, InvalidResponse, DownloadFailed) as error:
            # Whatever is wrong with the file, it was made.
            raise error.replace(charged="yes") from None
        except Cancelled:
            raise Cancelled(
                "Cancelled; the result was made.", phase="download", charged="yes"
            ) from None
        except VisionCraftError as error:
            raise _failed(url, "did not deliver", error.message) from None

    def close(self) -> None:
        self._session.close()

    def _followed(self, url: str, budget: ByteBudget, scope: CancelScope) -> bytes:
        for _ in range(MOST_REDIRECTS + 1):
            response = self._response(url, budget, scope)
            if response.is_success:
                if not response.body:
                    raise _unexpected(url, "sent an empty file")
                return response.body
            target = percent_encoded(response.headers.get("Location", ""))
            if not 300 <= response.status < 400:
                if response.status < 400 or response.status > 599:
                    raise _unexpected(url, f"answered {response.status} for a finished result")
                wait = retry_after(response.headers.get("Retry-After", ""), time.time())
                message = f"answered {response.status} for"
                raise _failed(url, message, status=response.status, wait=wait)
            if not target:
                raise _unexpected(
                    url, f"redirected the request ({response.status}) without saying where to"
                )
            url = self._next(url, target)
        raise _unexpected(url, "redirects endlessly")

    def _response(self, url: str, budget: ByteBudget, scope: CancelScope) -> Response:
        trusted = self._check(url)
        call = Call(
            "GET",
            url,
            self._profile.timeouts.for_work(FIRST_BYTE_SECONDS),
            LIST_LIMIT,
            verify=self._profile.verify,
            public_only=not trusted,
            budget=budget,
        )
        return send_call(self._session, call, scope)

    def _next(self, url: str, target: str) -> str:
        if any(ord(c) <= 0x20 or c == "\x7f" for c in target):  # urljoin would drop them
            raise _blocked("has characters that no address has")
        try:
            found = urljoin(url, target)
        except ValueError:
            raise _blocked("is not a usable address") from None
        if url.startswith("https:") and not found.startswith("https:"):
            raise _blocked("leads away from https")
        return found

    def _check(self, url: str) -> bool:
        """Whether `url` may lead into this network, too. Raises UnsafeURL."""
        if self._profile.key and MASK in self._profile.key.mask(url):  # or in what was kept
            raise _blocked("contains your key")
        try:
            parts = check_url(url)
        except ValueError as error:
            raise _blocked(str(error)) from None
        own = origin_of(url) == origin_of(self._profile.base_url)
        hosts = {parts.netloc.lower(), origin_of(url).partition("://")[2]}
        if own or hosts & set(self._profile.result_hosts):
            return True
        if parts.scheme != "https" or parts.port not in (None, 443):
            raise _blocked(
                f"points to {clip(origin_of(url), 80)}, which is neither the API nor https"
            )
        try:
            ip_address(parts.hostname or "")
        except ValueError:
            return False  # a name: its addresses are checked when they are connected to
        if not is_public(parts.hostname or ""):
            raise _blocked(f"points to {clip(origin_of(url), 80)}, which is not a public address")
        return False


def _blocked(why: str) -> UnsafeURL:
    return UnsafeURL(
        f"The server sent a result link that {why}, so it was not fetched.",
        "Check that the base URL is the VisionCraft API.",
        phase="download",
    )


def _unexpected(url: str, message: str) -> InvalidResponse:
    return InvalidResponse(
        f"{origin_of(url)} {message}.",
        MADE,
        phase="download",
        charged="yes",
    )


def _failed(
    url: str, message: str, why: str = "", status: int | None = None, wait: float | None = None
) -> DownloadFailed:
    return DownloadFailed(
        f"{origin_of(url)} {message} a finished result. {why}".strip(),
        MADE,
        phase="download",
        status=status,
        retry_after=wait,
    )
