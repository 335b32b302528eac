"""One HTTP request and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import Charged
from ..profiles.profile import Timeouts
from ..profiles.secret import Secret
from ..urls import origin_of
from .byte_budget import ByteBudget

PARTIAL_CONTENT = 206


@dataclass(frozen=True)
class Response:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    origin: str

    @property
    def is_success(self) -> bool:
        return is_success(self.status)


def is_success(status: int) -> bool:
    """Whether an answer of this HTTP status holds what was asked for, and all of it."""
    return 200 <= status < 300 and status != PARTIAL_CONTENT


@dataclass(frozen=True)
class Call:
    """One HTTP request; of its answer at most `limit` bytes are taken."""

    method: str
    url: str
    timeouts: Timeouts
    limit: int
    json: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None
    key: Secret | None = None
    """Goes with `json` as its token. Not in it: reports of errors may show a call."""
    verify: bool = True
    public_only: bool = False
    """Whether addresses of this computer and its network are refused."""
    budget: ByteBudget | None = None
    """How many bytes a file may have; without one, as many as any other answer."""

    @property
    def charged(self) -> Charged:
        return "maybe" if self.method == "POST" else "no"

    @property
    def origin(self) -> str:
        return origin_of(self.url)
