"""What all errands to one server share."""

from __future__ import annotations

from dataclasses import dataclass

from ..http.transport import Transport
from ..profiles.profile import Profile
from ..store.store import Store
from .downloads import Downloads
from .rate_limiter import RateLimiter
from .retry import RetryBudget


@dataclass(frozen=True)
class ServerContext:
    """What all errands to one server share. `label` is its name for people."""

    profile: Profile
    label: str
    transport: Transport
    downloads: Downloads
    limiter: RateLimiter
    retry_budget: RetryBudget
    store: Store

    def mask(self, text: str) -> str:
        return self.profile.key.mask(text) if self.profile.key else text
