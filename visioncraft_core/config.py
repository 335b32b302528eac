"""One server: its base URL with the key that belongs to it, and how to talk to it.

Reads no file and no environment, opens no connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from .errors import ConfigError, KeyMissing
from .media import UploadFormat
from .secret import Secret

DEFAULT_BASE_URL = "https://visioncraft-rs24.koyeb.app"
# Printed in the README: they open the sandbox and nothing else.
SANDBOX_FREE_KEY = "sandbox-free"
SANDBOX_PREMIUM_KEY = "sandbox-premium"

SANDBOX = "sandbox"


@dataclass(frozen=True)
class Timeouts:
    """Limits in seconds. `total` bounds a whole call, whatever the server does."""

    connect: float = 10.0
    upload: float = 120.0
    first_byte: float = 300.0
    stall: float = 30.0
    total: float = 600.0


@dataclass(frozen=True)
class Profile:
    """One server. `upload` is the format in which pictures are sent to it, `at_once` how many
    calls may be under way; an `embedded` profile has no address until the sandbox is started."""

    name: str
    base_url: str
    key: Secret | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    upload: UploadFormat = "png"
    at_once: int = 4
    embedded: bool = False

    def require_key(self) -> Secret:
        """The key; raises KeyMissing when there is none."""
        if self.key is None:
            raise KeyMissing(
                f"No key is configured for {self.base_url}.",
                "Set VISIONCRAFT_API_KEY (and VISIONCRAFT_BASE_URL), or choose the server sandbox.",
                phase="check",
            )
        return self.key


def embedded_sandbox() -> Profile:
    """The sandbox inside this process, with the key that opens all of it."""
    return Profile(SANDBOX, "", Secret(SANDBOX_PREMIUM_KEY), embedded=True)


def check_base_url(url: str) -> str:
    """`url` without trailing slashes: a doubled slash answered 404. Raises ConfigError."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    extra = parts.query or parts.fragment or parts.username or parts.password
    if parts.scheme not in ("http", "https") or not host or extra:
        raise ConfigError(
            "The base URL is not usable.",
            "It looks like https://host or http://host:port, without user name and query.",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
