"""How much clients may ask of the service at once."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Seconds, bytes and counts. Web pages and broken clients must not wear out the computer."""

    header_seconds: float = 10.0
    body_seconds: float = 60.0
    keep_alive_seconds: float = 5.0
    connections: int = 64
    max_active: int = 16
    body_bytes: int = 32 * MIB
    result_bytes: int = 256 * MIB  # the oldest are forgotten: a session may be long
