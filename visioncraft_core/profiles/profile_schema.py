"""What an entry of `profiles.json` may say. Never shows a value: one of them is a key."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from ..api.sandbox_keys import SANDBOX_FREE_KEY, SANDBOX_PREMIUM_KEY
from ..errors import ConfigError
from ..media.images import UPLOAD_FORMATS
from ..urls import is_loopback, origin_of
from .profile import DEFAULT_BASE_URL, RETRY_POLICIES, Profile, Timeouts, check_base_url
from .secret import Secret

FILE = "profiles.json"


def profile_of(name: str, entry: object) -> Profile:
    """The profile that an entry of the file describes. Raises ConfigError; never shows a value."""
    if not isinstance(entry, dict):
        raise ConfigError(f"The server profile {name} is not an object.", f"Correct {FILE}.")
    url, key = entry.get("base_url", DEFAULT_BASE_URL), entry.get("key")
    if not isinstance(url, str) or not isinstance(key, str | None):
        raise ConfigError(
            f"The server profile {name} has a base_url or key that is not text.",
            f"Correct {FILE}.",
        )
    former = {new: entry[old] for old, new in _FORMER_NAMES.items() if old in entry}
    entry = {**former, **entry}
    for setting, (fits, advice) in _SETTINGS.items():
        if setting in entry and not fits(entry[setting]):
            raise ConfigError(
                f"The server profile {name} has a setting that is not usable: {setting}.", advice
            )
    settings = {setting: entry[setting] for setting in _SETTINGS if setting in entry}
    if "result_hosts" in settings:
        settings["result_hosts"] = tuple(host.lower() for host in settings["result_hosts"])
    if "timeouts" in settings:
        settings["timeouts"] = Timeouts(**settings["timeouts"])
    profile = Profile(name, check_base_url(url), Secret(key) if key else None, **settings)
    _check_key_belongs(profile, entry.get("key_for"))
    return profile


def _check_key_belongs(profile: Profile, key_for: object) -> None:
    """A base URL that was changed, or that lapsed to a stranger, must not get the key."""
    if profile.key is None:
        return
    if key_for not in (None, origin_of(profile.base_url)):
        raise ConfigError(
            f"The key of {profile.name} was stored for another address than {profile.base_url}.",
            f"Store it again with `visioncraft key set {profile.name}`, or set base_url back.",
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
