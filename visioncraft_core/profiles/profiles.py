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
from functools import cache
from pathlib import Path
from typing import Any

from ..atomic import write_atomic
from ..errors import ConfigError, clip
from ..urls import origin_of
from .profile import (
    DEFAULT_BASE_URL,
    FILE,
    SANDBOX,
    Profile,
    check_base_url,
    embedded_sandbox,
    profile_of,
)
from .secret import Secret

AUTO, ENVIRONMENT = "auto", "environment"

log = logging.getLogger("visioncraft")


class Profiles:
    """The servers a user has configured in `home` and in `environ`, by default that of the process.
    Reads the file on each use."""

    def __init__(self, home: Path, environ: Mapping[str, str] | None = None) -> None:
        self.home = home
        self._environ = os.environ if environ is None else environ

    def names(self) -> list[str]:
        """What a user can choose: `auto` and `sandbox` first. Never raises."""
        try:
            stored = self._stored()
        except ConfigError:
            stored = {"profiles": {}}
        return [AUTO, *self._entries(stored)]

    def find(self, name: str) -> Profile:
        """The profile called `name`, or one for a URL. Raises ConfigError.

        A mistake in the entry of another profile does not matter.
        """
        stored = self._stored()
        entries = self._entries(stored)
        if "://" in name:
            url = check_base_url(name)
            # A key goes only to the very address that it was stored with.
            same = (n for n, e in entries.items() if n != SANDBOX and _address(e) == url)
            name = next(same, url)
            entries.setdefault(url, {"base_url": url})
        elif name == AUTO:
            name = _default(stored.get("default"), entries)
        if name not in entries:
            raise ConfigError(
                f"There is no server profile called {name}.",
                f"Choose one of {', '.join(self.names())}, or give a URL.",
            )
        if name == ENVIRONMENT:
            entries[name]["key"] = self._key_of_environment()
        profile = profile_of(name, entries[name])
        if name == SANDBOX:
            profile = replace(profile, base_url="", key=embedded_sandbox().key, embedded=True)
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
        given = stored["profiles"].get(name)
        entry = dict(given) if isinstance(given, dict) else {}
        if base_url:
            entry["base_url"] = check_base_url(base_url)
        url = entry.get("base_url", DEFAULT_BASE_URL)
        entry |= {"key": key.reveal(), "key_for": origin_of(str(url))}
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

    def _entries(self, stored: dict[str, Any]) -> dict[str, Any]:
        """The entry of every server: the sandbox, that of the environment, those of the file."""
        profiles: dict[str, Any] = stored["profiles"]
        entries = {SANDBOX: _settings(profiles.get(SANDBOX))}
        key, key_file, url = (
            self._variable(name) for name in ("API_KEY", "API_KEY_FILE", "BASE_URL")
        )
        if key or key_file or url:
            settings = _settings(profiles.get(ENVIRONMENT))
            entries[ENVIRONMENT] = {**settings, "base_url": url or DEFAULT_BASE_URL}
        builtin = (AUTO, SANDBOX, ENVIRONMENT)
        return {**entries, **{n: entry for n, entry in profiles.items() if n not in builtin}}

    def _variable(self, name: str) -> str:
        return self._environ.get(f"VISIONCRAFT_{name}", "").strip()

    def _key_of_environment(self) -> str:
        """In containers, VISIONCRAFT_API_KEY_FILE is the path of the mounted secret."""
        key, path = self._variable("API_KEY"), self._variable("API_KEY_FILE")
        if key or not path:
            return key
        try:
            return Path(path).read_text("utf-8").strip()
        except (OSError, ValueError):
            raise ConfigError(
                "The file that VISIONCRAFT_API_KEY_FILE names cannot be read.",
                "Check its path and who may read it.",
            ) from None

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


def _settings(entry: object) -> dict[str, Any]:
    """What an entry says beside its server and key, which are not its to say."""
    given = entry if isinstance(entry, dict) else {}
    return {k: v for k, v in given.items() if k not in ("key_for", "base_url", "key")}


def _default(default: object, entries: dict[str, Any]) -> str:
    """The profile that `auto` means: of the environment, the default, the first with a key."""
    if ENVIRONMENT in entries:
        return ENVIRONMENT
    if not default:
        with_key = (n for n, e in entries.items() if isinstance(e, dict) and e.get("key"))
        return next(with_key, SANDBOX)
    if not isinstance(default, str) or default not in entries:
        raise ConfigError(
            f"The default in {FILE} is not a server profile.", f"Name one of {', '.join(entries)}."
        )
    return default


def _address(entry: Any) -> str:
    """The base URL of an entry, "" where it has none that is usable."""
    try:
        return check_base_url(entry.get("base_url", DEFAULT_BASE_URL))
    except (AttributeError, ConfigError):
        return ""


def _keep_private(path: Path) -> None:
    """Makes a file with keys readable by its owner only, and warns where it was not."""
    if os.name == "posix" and path.stat().st_mode & 0o077:
        with suppress(OSError):  # somebody else's file, as in a container
            path.chmod(0o600)
        _warn_of_readers(path)


@cache  # once a file: where the mode cannot be changed, each use would warn
def _warn_of_readers(path: Path) -> None:
    log.warning("%s could be read by other users of this computer.", path.name)
