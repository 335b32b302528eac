"""How much clients may ask of the service at once."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """Seconds, bytes and counts. Web pages and broken clients must not wear out the computer, nor
    may one client (`peer`) keep all others out."""

    header_seconds: float = 10.0
    body_seconds: float = 60.0
    write_seconds: float = 30.0  # in which a client takes nothing of its answer
    keep_alive_seconds: float = 5.0
    stop_seconds: float = 0.0  # in which begun work may end when the service is stopped
    connections: int = 64
    peer_connections: int = 48
    max_active: int = 16
    body_bytes: int = 32 * MIB
    text_bytes: int = 4 * MIB  # of a body in which no picture is asked for
    held_bytes: int = 256 * MIB  # of all bodies whose requests are not answered yet
    peer_held_bytes: int = 192 * MIB
    result_bytes: int = 256 * MIB  # the oldest are forgotten: a session may be long
