"""One server: its base URL with the key that belongs to it, and how to talk to it.

Reads no file and no environment, opens no connection. `profile_of` never shows a value of an
entry: one of them is a key.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from ..api.sandbox_keys import SANDBOX_FREE_KEY, SANDBOX_PREMIUM_KEY
from ..errors import ConfigError, KeyMissing, clip
from ..media.images import UPLOAD_FORMATS, UploadFormat
from ..spelling import nearest
from ..urls import has_host, is_loopback, origin_of
from .secret import Secret

DEFAULT_BASE_URL = "https://visioncraft-rs24.koyeb.app"
PUBLIC_SERVICE_IS_GONE = (
    "The public service is gone: set VISIONCRAFT_BASE_URL to the address of your server."
)
FILE = "profiles.json"
SANDBOX = "sandbox"

# "never": not even where nothing was sent; "safe": where it was certainly not carried out;
# "unknown": also where that is unknown, so that something may be charged twice.
RetryPolicy = Literal["never", "safe", "unknown"]
RETRY_POLICIES: tuple[RetryPolicy, ...] = ("never", "safe", "unknown")

# A host with a port or a dot, as people write an address without its scheme.
_ADDRESS = re.compile(
    r"([\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}(/\S*)?|localhost|[\w-]+(\.[\w-]+)+(/\S*)?"
)

T = TypeVar("T")

log = logging.getLogger("visioncraft")


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
        raise _not_usable(url)
    return f"{origin_of(url)}{parts.path}".rstrip("/")


def with_scheme(address: str) -> str:
    """`address` as a URL where it is a host with a port or a dot, else ""."""
    if not _ADDRESS.fullmatch(address):
        return ""
    return f"{'http' if is_loopback(f'http://{address}') else 'https'}://{address}"


def _not_usable(url: str) -> ConfigError:
    """Quotes what cannot be a key or hold one."""
    form = "looks like https://host or http://host:port, without user name and query."
    if (meant := with_scheme(url)) and ":" in url:
        advice = f"Write {clip(meant, 80)}."
    elif "://" in url and not re.search("[@?#]", url):
        advice = f"One {form}"
    else:
        advice = "Write https:// in front of it." if meant else f"It {form}"
        return ConfigError("The base URL is not usable.", advice)
    return ConfigError(f'The address "{clip(url, 60)}" cannot be a base URL.', advice)


def profile_of(name: str, entry: object) -> Profile:
    """The profile that an entry of `profiles.json` describes. Raises ConfigError."""
    if not isinstance(entry, dict):
        raise ConfigError(f"The server profile {name} is not an object.", f"Correct {FILE}.")
    refuse_misspelt_settings(name, entry)
    if isinstance(timeouts := entry.get("timeouts"), dict):
        known = [each.name for each in fields(Timeouts)]
        refuse_misspelt(timeouts, known, f"In timeouts, the server profile {name}")
    former = {new: entry[old] for old, new in _FORMER_NAMES.items() if old in entry}
    given = {**former, **entry}
    settings = {setting: given[setting] for setting in _SETTINGS if setting in given}
    for setting, value in settings.items():
        fits, advice = _SETTINGS[setting]
        if not fits(value):
            raise ConfigError(
                f"The server profile {name} has a setting that is not usable: {setting}.", advice
            )
    if "result_hosts" in settings:
        settings["result_hosts"] = tuple(host.lower() for host in settings["result_hosts"])
    if "timeouts" in settings:
        settings["timeouts"] = Timeouts(**settings["timeouts"])
    url = _checked(name, check_base_url, settings.pop("base_url", DEFAULT_BASE_URL))
    # A server on this computer without a key of its own is taken for `visioncraft sandbox`.
    key = settings.pop("key", None) or (SANDBOX_PREMIUM_KEY if is_loopback(url) else "")
    secret = _checked(name, Secret, key) if key else None
    profile = Profile(name, url, secret, **settings)
    _check_key_belongs(profile, entry.get("key_for"))
    return profile


def _checked(name: str, check: Callable[[str], T], value: str) -> T:
    """What `check` makes of a setting of the profile `name`, which its error then names."""
    try:
        return check(value)
    except ConfigError as error:
        message = error.message.rstrip(".")
        raise error.replace(message=f"The server profile {name}: {message}.") from None


def refuse_misspelt_settings(name: str, entry: object) -> None:
    """Raises ConfigError for a setting in the entry of `name` that is nearly a known one."""
    if isinstance(entry, dict):
        refuse_misspelt(entry, (*_SETTINGS, "key_for"), f"The server profile {name}")


def refuse_misspelt(entry: Mapping[str, object], known: Collection[str], owner: str) -> None:
    """Raises ConfigError for a name in `entry` that is nearly one of `known`, such as "ky".

    Others are warned of once: they may be notes, or the settings of a later version.
    """
    for name in entry:
        if name in known or name in _FORMER_NAMES:
            continue
        meant = nearest(name, [*known, *_FORMER_NAMES], 1)
        message = f"{owner} has a setting that is not known: {clip(name, 60)}."
        if meant:
            right = _FORMER_NAMES.get(meant[0], meant[0])
            raise ConfigError(message, f"Did you mean {right}? Correct it in {FILE}.")
        _warn(message)


@cache  # settings are read on each use
def _warn(message: str) -> None:
    log.warning("%s It is ignored.", message)


def _check_key_belongs(profile: Profile, key_for: object) -> None:
    """A base URL that was changed, or that lapsed to a stranger, must not get the key."""
    if profile.key is None:
        return
    if key_for is not None and origin_of(str(key_for)) != origin_of(profile.base_url):
        raise ConfigError(
            f"The key of {profile.name} was stored for another address than {profile.base_url}.",
            "Store it again, in ComfyUI's settings or with `visioncraft key set`, or set "
            "base_url back.",
        )
    public = profile.key.reveal() in (SANDBOX_FREE_KEY, SANDBOX_PREMIUM_KEY)
    if profile.base_url.startswith("http:") and not is_loopback(profile.base_url) and not public:
        raise ConfigError(
            f"The server profile {profile.name} would send its key over http, where anyone can "
            "read it.",
            "Use the https address of the server.",
        )


def _is_number(value: object, low: float, high: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and low <= value <= high  # type: ignore[operator]


def _are_timeouts(value: object) -> bool:
    known = {f.name for f in fields(Timeouts)}
    return isinstance(value, dict) and all(
        limit in known and seconds != 0 and _is_number(seconds, 0, 36000)
        for limit, seconds in value.items()
    )


def _are_hosts(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(host, str) and re.fullmatch(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?", host)
        for host in value
    )


_YES_OR_NO = (lambda value: isinstance(value, bool), "Write true or false.")
_SETTINGS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "base_url": (lambda v: isinstance(v, str), "Write an address such as https://host."),
    "key": (lambda v: isinstance(v, str | None), "Write the key as text."),
    "upload": (lambda v: v in UPLOAD_FORMATS, f"Choose one of {', '.join(UPLOAD_FORMATS)}."),
    "max_concurrency": (
        lambda v: isinstance(v, int) and _is_number(v, 1, 64),
        "Give the number of calls that may be under way, 1 to 64.",
    ),
    "timeouts": (
        _are_timeouts,
        f"Give {', '.join(f.name for f in fields(Timeouts))} as seconds above 0.",
    ),
    "retry_policy": (lambda v: v in RETRY_POLICIES, f"Choose one of {', '.join(RETRY_POLICIES)}."),
    "max_rate_limit_wait": (lambda v: _is_number(v, 0, 86400), "Give seconds, 0 to 86400."),
    "fail_on_partial": _YES_OR_NO,
    "store": _YES_OR_NO,
    "verify": _YES_OR_NO,
    "result_hosts": (_are_hosts, 'Give a list of host names, such as ["images.example.org"].'),
}

# What files of the first versions call them.
_FORMER_NAMES = {
    "at_once": "max_concurrency",
    "patience": "max_rate_limit_wait",
    "resend": "retry_policy",
    "strict": "fail_on_partial",
}
