"""What all requests to one server share, and what all steps of one request share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..api.fields import Request
from ..cancellation import CancelScope
from ..http.transport import Transport
from ..profiles.profile import Profile
from ..store.store import Store
from ..urls import origin_of
from .downloads import Downloads
from .extensions import ServerExtensions
from .rate_limiter import RateLimiter
from .retry import RetryBudget

# Decodes the content of a file. Raises DamagedFile where it does not decode, UnsafeContent where
# it is larger than is safe.
Decoder = Callable[[bytes], Any]
OnProgress = Callable[[str], None]
OnPreview = Callable[[bytes], None]


@dataclass(frozen=True)
class ServerContext:
    """What all requests to one server share. `label` is its name for people."""

    profile: Profile
    label: str
    transport: Transport
    downloads: Downloads
    limiter: RateLimiter
    retry_budget: RetryBudget
    store: Store
    extensions: ServerExtensions

    @property
    def origin(self) -> str:
        return origin_of(self.profile.base_url)

    def mask(self, text: str) -> str:
        return self.profile.key.mask(text) if self.profile.key else text

    def close(self) -> None:
        self.transport.close()
        self.downloads.close()


@dataclass(frozen=True)
class RunContext:
    """What all steps of one request share. `body` is the request as JSON; `key` is its name in the
    store, "" where nothing is looked up or kept; `seed` is for servers that take one; `on_delay`
    hears only of what holds the request up, `on_preview` gets encoded pictures of the unfinished
    result. One that is `early` is prepared while others before it still wait for the server."""

    server: ServerContext
    request: Request
    body: Mapping[str, Any]
    key: str
    seed: int | None
    scope: CancelScope
    decoder: Decoder | None = None
    on_progress: OnProgress | None = None
    on_delay: OnProgress | None = None
    on_preview: OnPreview | None = None
    early: bool = False

    def report(self, text: str) -> None:
        if self.on_progress:
            self.on_progress(text)

    def report_delay(self, text: str) -> None:
        if self.on_delay:
            self.on_delay(text)
