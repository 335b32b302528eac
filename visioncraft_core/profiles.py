"""The servers that a user has configured, in a file and in the environment.

Profiles come from the environment (VISIONCRAFT_API_KEY, VISIONCRAFT_BASE_URL) and from
`profiles.json` in the home folder; `sandbox` and `auto` are always there. Opens no connection.

    {"default": "work",
     "profiles": {"work": {"base_url": "https://...", "key": "...", "upload": "png",
                           "timeouts": {"total": 300}}}}
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from .config import (
    DEFAULT_BASE_URL,
    SANDBOX,
    SANDBOX_PREMIUM_KEY,
    Profile,
    Timeouts,
    check_base_url,
    embedded_sandbox,
    is_loopback,
)
from .errors import ConfigError, clip
from .files import write_whole
from .media import UPLOAD_FORMATS
from .secret import Secret

FILE = "profiles.json"
AUTO, ENVIRONMENT = "auto", "environment"

log = logging.getLogger("visioncraft")


class Profiles:
    """The servers a user has configured in `home` and in `environ`. Reads the file on each use."""

    def __init__(self, home: Path, environ: Mapping[str, str] = os.environ) -> None:
        self.home = home
        self._environ = environ

    def names(self) -> list[str]:
        """What a user can choose: `auto` and `sandbox` first. Never raises."""
        try:
            stored = list(self._stored()["profiles"])
        except ConfigError:
            stored = []
        named = [ENVIRONMENT] if self._environ.get("VISIONCRAFT_API_KEY") else []
        return [AUTO, SANDBOX, *named, *(n for n in stored if n not in (AUTO, SANDBOX))]

    def find(self, name: str) -> Profile:
        """The profile called `name`, or one for a URL. Raises ConfigError or KeyMissing."""
        if name == AUTO:
            return self._automatic()
        if name == SANDBOX:
            return embedded_sandbox()
        if "://" in name:
            return self._for_url(name)
        profile = self._configured().get(name)
        if profile is None:
            raise ConfigError(
                f"There is no server profile called {name}.",
                f"Choose one of {', '.join(self.names())}, or give a URL.",
            )
        return profile

    def store_key(self, name: str, key: Secret, base_url: str = "") -> Profile:
        """Keeps `key` under `name` for its server, in a file that only this user can read.

        A new profile is for the standard server unless `base_url` names another; an existing one
        keeps its other settings. Raises ConfigError.
        """
        if name in (AUTO, SANDBOX, ENVIRONMENT) or not re.fullmatch(r"[\w.-]{1,60}", name):
            raise ConfigError(
                f"A profile cannot be called {clip(name, 60)}.",
                "Use letters, digits, dots, dashes and underscores, and no built-in name.",
            )
        stored = self._stored()
        entry = stored["profiles"].get(name, {})
        _profile(name, entry)
        entry = {**entry, "key": key.reveal()}
        if base_url:
            entry["base_url"] = check_base_url(base_url)
        profile = _profile(name, entry)
        stored["profiles"][name] = entry
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            content = json.dumps(stored, indent=2, ensure_ascii=False).encode()
            write_whole(self.home / FILE, content, secret=True)
        except OSError as error:
            raise ConfigError(
                f"The key could not be kept ({error.strerror}).",
                "Make the VisionCraft folder writable, or name another in VISIONCRAFT_HOME.",
            ) from None
        return profile

    def _configured(self) -> dict[str, Profile]:
        stored = self._stored()["profiles"]
        profiles = {name: _profile(name, entry) for name, entry in stored.items()}
        key, url = self._environ.get("VISIONCRAFT_API_KEY"), self._environment_url()
        if key or url:
            secret = Secret(key) if key else None
            profiles[ENVIRONMENT] = Profile(ENVIRONMENT, url or DEFAULT_BASE_URL, secret)
        return profiles

    def _environment_url(self) -> str:
        url = self._environ.get("VISIONCRAFT_BASE_URL", "").strip()
        return check_base_url(url) if url else ""

    def _automatic(self) -> Profile:
        configured = self._configured()
        default = self._stored().get("default") or ""
        if ENVIRONMENT in configured:
            return _with_loopback_key(configured[ENVIRONMENT])
        if default == SANDBOX:
            return embedded_sandbox()
        if not default:
            return next((p for p in configured.values() if p.key), embedded_sandbox())
        if not isinstance(default, str) or default not in configured:
            raise ConfigError(
                f"The default in {FILE} is no server profile.",
                f"Name one of {', '.join([*configured, SANDBOX])}.",
            )
        return _with_loopback_key(configured[default])

    def _for_url(self, url: str) -> Profile:
        base_url = check_base_url(url)
        same = (p for p in self._configured().values() if p.base_url == base_url)
        # A key goes only to the very address that it was stored with.
        return _with_loopback_key(next(same, Profile(base_url, base_url)))

    def _stored(self) -> dict[str, Any]:
        path = self.home / FILE
        try:
            _keep_private(path)
            stored = json.loads(path.read_text("utf-8-sig"))
        except (FileNotFoundError, NotADirectoryError):
            return {"profiles": {}}
        except (OSError, ValueError, RecursionError):
            stored = None
        if not isinstance(stored, dict) or not isinstance(stored.get("profiles", {}), dict):
            raise ConfigError(
                "profiles.json in the VisionCraft folder cannot be read.",
                'Make it a JSON object like {"profiles": {"work": {"base_url": ..., "key": ...}}}.',
            )
        return {"profiles": {}, **stored}


def _keep_private(path: Path) -> None:
    """Takes a file with keys away from other users of this computer, and says so."""
    if os.name != "posix" or not path.stat().st_mode & 0o077:
        return
    try:
        path.chmod(0o600)
        log.warning("%s could be read by other users of this computer; now it cannot.", path.name)
    except OSError:  # somebody else's file, as in a container
        log.warning("%s can be read by other users of this computer.", path.name)


def _with_loopback_key(profile: Profile) -> Profile:
    # A server on this machine without a key of its own is taken for `visioncraft sandbox`; the
    # key that it gets is public.
    if profile.key is None and is_loopback(profile.base_url):
        key = Secret(SANDBOX_PREMIUM_KEY)
        return replace(profile, key=key)
    return profile


def _profile(name: str, entry: object) -> Profile:
    if not isinstance(entry, dict):
        raise ConfigError(f"The server profile {name} is not an object.", "Correct profiles.json.")
    url, key = entry.get("base_url", DEFAULT_BASE_URL), entry.get("key")
    if not isinstance(url, str) or not isinstance(key, str | None):
        raise ConfigError(
            f"The server profile {name} has a base_url or key that is not text.",
            "Correct profiles.json.",
        )
    upload = entry.get("upload", "png")
    if upload not in UPLOAD_FORMATS:
        raise ConfigError(
            f"The server profile {name} has an upload format that is not known.",
            f"Choose one of {', '.join(UPLOAD_FORMATS)}.",
        )
    at_once = entry.get("at_once", 4)
    if isinstance(at_once, bool) or not isinstance(at_once, int) or not 1 <= at_once <= 64:
        raise ConfigError(
            f"The server profile {name} has an at_once that is not usable.",
            "Give the number of calls that may be under way, 1 to 64.",
        )
    timeouts = _timeouts(name, entry.get("timeouts", {}))
    secret = Secret(key) if key else None
    return Profile(name, check_base_url(url), secret, timeouts, upload, at_once)


def _timeouts(name: str, entry: object) -> Timeouts:
    known = {f.name for f in fields(Timeouts)}
    numbers: dict[str, Any] = entry if isinstance(entry, dict) else {"": entry}
    for limit, seconds in numbers.items():
        number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if limit not in known or not number or not 0 < seconds <= 36000:
            raise ConfigError(
                f"The server profile {name} has a timeout that is not usable: {limit}.",
                f"Give {', '.join(sorted(known))} as seconds above 0.",
            )
    return Timeouts(**numbers)
