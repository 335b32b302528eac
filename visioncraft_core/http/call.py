"""One HTTP request and its answer, as the exchange needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..cancellation import ShouldCancel, never
from ..errors import Charged
from ..profiles.profile import Timeouts
from ..profiles.secret import Secret
from ..urls import origin_of
from .byte_budget import ByteBudget


@dataclass(frozen=True)
class Response:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    origin: str


@dataclass(frozen=True)
class Call:
    """One HTTP request as the exchange needs it."""

    method: str
    url: str
    timeouts: Timeouts
    limit: int
    json: Mapping[str, Any] | None = None
    key: Secret | None = None
    """Goes with `json` as its token. Not in it: reports of errors may show a call."""
    should_cancel: ShouldCancel = never
    verify: bool = True
    public_only: bool = False
    """Whether an address of this computer or its network is refused when it is dialled."""
    identity_only: bool = False
    """Whether a compressed answer is refused."""
    budget: ByteBudget | None = None
    """What a file may have; without one it has no more than any other answer."""

    @property
    def charged(self) -> Charged:
        return "maybe" if self.method == "POST" else "no"

    @property
    def origin(self) -> str:
        return origin_of(self.url)
