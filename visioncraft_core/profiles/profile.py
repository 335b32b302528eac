"""One server: its base URL with the key that belongs to it, and how to talk to it.

Reads no file and no environment, opens no connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit

from ..api.sandbox_keys import SANDBOX_PREMIUM_KEY
from ..errors import ConfigError, KeyMissing
from ..media.images import UploadFormat
from ..urls import has_host
from .secret import Secret

DEFAULT_BASE_URL = "https://visioncraft-rs24.koyeb.app"

SANDBOX = "sandbox"


# "never": not even where nothing was sent; "safe": where it was certainly not carried out;
# "unknown": also where that is unknown, so that something may be charged twice.
RetryPolicy = Literal["never", "safe", "unknown"]
RETRY_POLICIES: tuple[RetryPolicy, ...] = ("never", "safe", "unknown")


@dataclass(frozen=True)
class Timeouts:
    """Limits in seconds, each named in the error that it causes.

    `connect` bounds one address, and twice as long all of finding and connecting; `upload` the
    sending of the request; `first_byte` the silence before an answer begins (0: as long as the
    endpoint may take by its declaration); `stall` the silence within one; `total` a whole call,
    whatever the server does (0: the sum of the others).
    """

    connect: float = 10.0
    upload: float = 120.0
    first_byte: float = 0.0
    stall: float = 30.0
    total: float = 0.0

    def for_work(self, seconds: float) -> Timeouts:
        """The limits of a call for which a server may need `seconds` before it answers."""
        first_byte = self.first_byte or seconds
        total = self.total or 2 * self.connect + self.upload + first_byte + 2 * self.stall
        return replace(self, first_byte=first_byte, total=total)


@dataclass(frozen=True)
class Profile:
    """One server and how to talk to it.

    `upload` is the format in which pictures are sent; `max_concurrency` how many calls may be under
    way at once; `retry_policy` when a call that makes something is sent again;
    `max_rate_limit_wait` how many seconds a call may wait because the server asked for pauses;
    `fail_on_partial` fails where a part of the results is missing; `store` keeps what was made on
    this disk; `result_hosts` are hosts besides the server's own that results may come from without
    https; `verify` checks TLS certificates. An `embedded` profile has no address until the sandbox
    is started.
    """

    name: str
    base_url: str
    key: Secret | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    upload: UploadFormat = "png"
    max_concurrency: int = 4
    retry_policy: RetryPolicy = "safe"
    max_rate_limit_wait: float = 600.0
    fail_on_partial: bool = False
    store: bool = True
    result_hosts: tuple[str, ...] = ()
    verify: bool = True
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
    url = url.strip()
    parts = urlsplit(url if has_host(url) else "")
    extra = parts.query or parts.fragment or parts.username or parts.password
    # urlsplit drops line ends, and others read a backslash as a slash.
    odd = any(c in " \\" or not c.isprintable() for c in url)
    if not parts.hostname or extra or odd:
        raise ConfigError(
            "The base URL is not usable.",
            "It looks like https://host or http://host:port, without user name and query.",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
