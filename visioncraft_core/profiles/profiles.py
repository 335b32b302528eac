"""The servers that a user has configured, in a file and in the environment.

Profiles come from the environment (VISIONCRAFT_API_KEY, VISIONCRAFT_BASE_URL) and from
`profiles.json` in the home folder; `sandbox` and `auto` always exist. Opens no connection.

    {"default": "work",
     "profiles": {"work": {"base_url": "https://...", "key": "...", "upload": "png",
                           "timeouts": {"total": 300}}}}

Every setting of `Profile` may stand in an entry; one called `environment` or `sandbox` gives
settings to those.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..api.sandbox_keys import SANDBOX_PREMIUM_KEY
from ..atomic import write_atomic
from ..errors import ConfigError, clip
from ..urls import is_loopback, origin_of
from .profile import DEFAULT_BASE_URL, SANDBOX, Profile, check_base_url, embedded_sandbox
from .profile_schema import FILE, profile_of
from .secret import Secret

AUTO, ENVIRONMENT = "auto", "environment"

log = logging.getLogger("visioncraft")
_warned: set[Path] = set()  # about files with keys that other users could read


class Profiles:
    """The servers a user has configured in `home` and in `environ`, by default that of the process.
    Reads the file on each use."""

    def __init__(self, home: Path, environ: Mapping[str, str] | None = None) -> None:
        self.home = home
        self._environ = os.environ if environ is None else environ

    def names(self) -> list[str]:
        """What a user can choose: `auto` and `sandbox` first. Never raises."""
        try:
            stored = list(self._stored()["profiles"])
        except ConfigError:
            stored = []
        keys = ("VISIONCRAFT_API_KEY", "VISIONCRAFT_API_KEY_FILE")
        named = [ENVIRONMENT] if any(self._environ.get(key) for key in keys) else []
        own = [n for n in stored if n not in (AUTO, SANDBOX, ENVIRONMENT)]
        return [AUTO, SANDBOX, *named, *own]

    def find(self, name: str) -> Profile:
        """The profile called `name`, or one for a URL. Raises ConfigError or KeyMissing."""
        if "://" in name:
            return self._for_url(name)
        stored = self._stored()
        if name == AUTO:
            return self._automatic(stored)
        if name == SANDBOX:
            return self._sandbox(stored)
        profile = self._configured(name, stored)
        if profile is None:
            raise ConfigError(
                f"There is no server profile called {name}.",
                f"Choose one of {', '.join(self.names())}, or give a URL.",
            )
        return profile

    def store_key(self, name: str, key: Secret, base_url: str = "") -> Profile:
        """Stores `key` under `name` for its server, in a file that only this user can read.

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
        if not isinstance(entry, dict):
            entry = {}
        if base_url:
            entry = {**entry, "base_url": check_base_url(base_url)}
        url = entry.get("base_url", DEFAULT_BASE_URL)
        entry = {**entry, "key": key.reveal(), "key_for": origin_of(str(url))}
        profile = profile_of(name, entry)
        stored["profiles"][name] = entry
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.home.chmod(0o700)  # the catalogs may have made it before
            content = json.dumps(stored, indent=2, ensure_ascii=False).encode()
            write_atomic(self.home / FILE, content, secret=True)
        except OSError as error:
            raise ConfigError(
                f"The key could not be stored ({error.strerror}).",
                "Make the VisionCraft folder writable, or name another in VISIONCRAFT_HOME.",
            ) from None
        return profile

    def _configured(self, name: str, stored: dict[str, Any]) -> Profile | None:
        """The profile of an entry or of the environment; a mistake in another does not matter."""
        if name == ENVIRONMENT:
            return self._from_environment(stored["profiles"].get(ENVIRONMENT, {}))
        entries = _entries(stored)
        return profile_of(name, entries[name]) if name in entries else None

    def _from_environment(self, settings: object) -> Profile | None:
        """The server of the environment's variables with the settings of the file, if it has any.

        In containers, VISIONCRAFT_API_KEY_FILE is the path of the mounted secret.
        """
        key, url = (
            self._environ.get(f"VISIONCRAFT_{n}", "").strip() for n in ("API_KEY", "BASE_URL")
        )
        if not key and (path := self._environ.get("VISIONCRAFT_API_KEY_FILE")):
            try:
                key = Path(path).read_text("utf-8").strip()
            except (OSError, ValueError):
                raise ConfigError(
                    "The file that VISIONCRAFT_API_KEY_FILE names cannot be read.",
                    "Check its path and who may read it.",
                ) from None
        if not key and not url:
            return None
        entry = settings if isinstance(settings, dict) else {}
        entry = {k: v for k, v in entry.items() if k not in ("key_for", "base_url", "key")}
        if url:
            entry["base_url"] = url
        return profile_of(ENVIRONMENT, {**entry, "key": key})

    def _sandbox(self, stored: dict[str, Any]) -> Profile:
        settings = stored["profiles"].get(SANDBOX, {})
        entry = settings if isinstance(settings, dict) else {}
        entry = {k: v for k, v in entry.items() if k not in ("key_for", "base_url", "key")}
        sandbox = embedded_sandbox()
        return replace(profile_of(SANDBOX, entry), base_url="", key=sandbox.key, embedded=True)

    def _automatic(self, stored: dict[str, Any]) -> Profile:
        if environment := self._configured(ENVIRONMENT, stored):
            return _with_loopback_key(environment)
        entries = _entries(stored)
        default = stored.get("default") or ""
        if not default:
            with_key = (n for n, e in entries.items() if isinstance(e, dict) and e.get("key"))
            default = next(with_key, SANDBOX)
        if default == SANDBOX:
            return self._sandbox(stored)
        if not isinstance(default, str) or default not in entries:
            raise ConfigError(
                f"The default in {FILE} is not a server profile.",
                f"Name one of {', '.join([*entries, SANDBOX])}.",
            )
        return _with_loopback_key(profile_of(default, entries[default]))

    def _for_url(self, url: str) -> Profile:
        base_url = check_base_url(url)
        stored = self._stored()
        # A key goes only to the very address that it was stored with.
        addresses = self._addresses(stored).items()
        same = (self._configured(name, stored) for name, each in addresses if each == base_url)
        return _with_loopback_key(next(filter(None, same), Profile(base_url, base_url)))

    def _addresses(self, stored: dict[str, Any]) -> dict[str, str]:
        """The base URL of every profile, "" where it has none that is usable."""
        given = {
            name: entry.get("base_url", DEFAULT_BASE_URL) if isinstance(entry, dict) else ""
            for name, entry in _entries(stored).items()
        }
        named = self._environ.get("VISIONCRAFT_BASE_URL", "").strip()
        given[ENVIRONMENT] = named or DEFAULT_BASE_URL
        return {name: _checked(address) for name, address in given.items()}

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


def _entries(stored: dict[str, Any]) -> dict[str, Any]:
    """The entries of the file that are servers by themselves."""
    profiles = stored["profiles"]
    return {name: profiles[name] for name in profiles if name not in (ENVIRONMENT, SANDBOX)}


def _checked(address: object) -> str:
    try:
        return check_base_url(address) if isinstance(address, str) else ""
    except ConfigError:
        return ""


def _keep_private(path: Path) -> None:
    """Makes a file with keys readable by its owner only, and warns once where it was not."""
    if os.name != "posix" or not _is_open(path):
        return
    with suppress(OSError):  # somebody else's file, as in a container
        path.chmod(0o600)
    if path in _warned:
        return
    _warned.add(path)
    now = "can be" if _is_open(path) else "could be"
    log.warning("%s %s read by other users of this computer.", path.name, now)


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o077)


def _with_loopback_key(profile: Profile) -> Profile:
    # A server on this machine without a key of its own is taken for `visioncraft sandbox`; the
    # key that it gets is public.
    if profile.key is None and is_loopback(profile.base_url):
        key = Secret(SANDBOX_PREMIUM_KEY)
        return replace(profile, key=key)
    return profile
