"""What all errands to one server share."""

from __future__ import annotations

from dataclasses import dataclass

from ..http.transport import Transport
from ..profiles.profile import Profile
from ..store.store import Store
from .downloads import Downloads
from .rate_limiter import Limiter
from .retry import Quota


@dataclass(frozen=True)
class Server:
    """What all errands to one server share. `label` is its name for people."""

    profile: Profile
    label: str
    transport: Transport
    downloads: Downloads
    limiter: Limiter
    quota: Quota
    store: Store

    def hide(self, text: str) -> str:
        return self.profile.key.hide(text) if self.profile.key else text
