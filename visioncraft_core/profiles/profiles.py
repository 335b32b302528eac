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

import os
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError, clip
from ..spelling import did_you_mean, nearest
from ..urls import origin_of
from . import settings_file
from .profile import (
    DEFAULT_BASE_URL,
    FILE,
    SANDBOX,
    Profile,
    check_base_url,
    embedded_sandbox,
    profile_of,
    refuse_misspelt,
    refuse_misspelt_settings,
    with_scheme,
)
from .secret import Secret, clean_key, shortened

AUTO, ENVIRONMENT = "auto", "environment"
_BUILT_IN = (SANDBOX, ENVIRONMENT)
_PREFIX, _VARIABLES = "VISIONCRAFT_", ("API_KEY", "API_KEY_FILE", "BASE_URL", "HOME")
SHOWS_ITS_END = 12  # characters that a key has at least where its last four are shown


@dataclass(frozen=True)
class ServerSummary:
    """What a person may see of a server: not its key. `key_end` is the key's last four characters,
    "" for a short one; `problem` is why it cannot be used, in sentences."""

    name: str
    base_url: str
    has_key: bool
    key_end: str
    max_concurrency: int
    is_default: bool
    problem: str


class Profiles:
    """The servers a user has configured in `home` and in `environ`, by default that of the process.
    Reads the file on each use."""

    def __init__(self, home: Path, environ: Mapping[str, str] | None = None) -> None:
        self.home = home
        self._environ = os.environ if environ is None else environ

    def names(self) -> list[str]:
        """What a user can choose: `auto` and `sandbox` first. Never raises."""
        return [AUTO, *self._entries(self._readable())]

    def find(self, name: str) -> Profile:
        """The profile called `name`, or one for a URL. Raises ConfigError.

        A mistake in the entry of another profile does not matter.
        """
        stored = self._stored()
        refuse_misspelt(stored, ("default", "profiles"), FILE)
        entries = self._entries(stored)
        if "://" in name:
            url = check_base_url(name)
            # A key goes only to the very address that it was stored with.
            same = (n for n, e in entries.items() if n != SANDBOX and _address(e) == url)
            name = next(same, url)
            entries.setdefault(url, {"base_url": url})
        elif name == AUTO:
            self._refuse_misspelt_variables()
            name = _default(stored.get("default"), entries)
        if name not in entries:
            raise _unknown(name, [AUTO, *entries], or_url=True)
        if name == ENVIRONMENT:
            entries[name]["key"] = self._key_of_environment()
        profile = profile_of(name, entries[name])
        if name == SANDBOX:
            profile = replace(profile, base_url="", key=embedded_sandbox().key, embedded=True)
        return profile

    def overview(self) -> list[ServerSummary]:
        """All servers, with what a person may see of them. Never raises."""
        stored = self._readable()
        entries = self._entries(stored)
        default = ""
        with suppress(ConfigError):
            default = _default(stored.get("default"), entries)
        return [self._summary(name, entry, default) for name, entry in entries.items()]

    def problem(self) -> str:
        """What is wrong with the file as a whole, in sentences; "" where nothing is."""
        try:
            stored = self._stored()
            refuse_misspelt(stored, ("default", "profiles"), FILE)
            self._refuse_misspelt_variables()
            _default(stored.get("default"), self._entries(stored))
        except ConfigError as error:
            return str(error)
        return ""

    def expect_key(self, name: str, base_url: str = "") -> tuple[str, bool]:
        """The base URL that `store_key` would keep a key for, and whether it would replace one.

        For a person, who is not to type a key in vain. Raises ConfigError.
        """
        _check_name(name)
        entry = _object(self._readable()["profiles"].get(name))
        had_one = bool(entry.pop("key", None))
        entry.pop("key_for", None)
        if base_url:
            entry["base_url"] = base_url
        return profile_of(name, entry).base_url, had_one

    def store_key(self, name: str, key: Secret, base_url: str = "") -> Profile:
        """Stores `key` under `name` for its server, in a file that only this user can read.

        A new profile is for the standard server unless `base_url` names another; an existing one
        keeps its other settings. Raises ConfigError.
        """
        _check_name(name)
        return self.save(name, base_url=base_url, key=key)

    def save(
        self,
        name: str,
        *,
        new: bool | None = None,
        base_url: str = "",
        key: Secret | None = None,
        forget_key: bool = False,
        max_concurrency: int | None = None,
    ) -> Profile:
        """Adds a profile or changes one: what is not given, and what is unknown here, stays.

        `new` says whether there must be none of this name or one; None accepts both. A key stays
        bound to the origin that it was stored for: with another address comes its own key, or
        `forget_key`. Of the built-in servers only the other settings change. Raises ConfigError.
        """
        if new or (new is None and name not in _BUILT_IN):
            _check_name(name)
        if name in _BUILT_IN and (base_url or key or forget_key):
            raise ConfigError(
                f"The address and the key of {name} are not stored here.",
                "Change its other settings, or add a profile of your own.",
            )
        with settings_file.change(self.home) as stored:
            exists = name in stored["profiles"] or name in _BUILT_IN
            if new is not None and exists is new:
                raise _taken(name) if new else _unknown(name, stored["profiles"])
            before = _object(stored["profiles"].get(name))
            entry = dict(before)
            if base_url:
                entry["base_url"] = check_base_url(base_url)
            if max_concurrency is not None:
                entry["max_concurrency"] = max_concurrency
            _bind_key(name, entry, before, key, forget=forget_key)
            profile = profile_of(name, _settings(entry) if name in _BUILT_IN else entry)
            stored["profiles"][name] = entry
        return profile

    def rename(self, name: str, new_name: str) -> None:
        """Gives a profile another name, with all its settings. Raises ConfigError."""
        _check_name(new_name)
        with settings_file.change(self.home) as stored:
            entries = stored["profiles"]
            if name not in entries or name in _BUILT_IN:
                raise _unknown(name, _own(entries))
            if new_name in entries:
                raise _taken(new_name)
            stored["profiles"] = {new_name if n == name else n: e for n, e in entries.items()}
            if stored.get("default") == name:
                stored["default"] = new_name

    def remove(self, name: str) -> None:
        """Removes a profile and its key. Raises ConfigError."""
        with settings_file.change(self.home) as stored:
            if name not in stored["profiles"] or name in _BUILT_IN:
                raise _unknown(name, _own(stored["profiles"]))
            del stored["profiles"][name]
            if stored.get("default") == name:
                del stored["default"]

    def set_default(self, name: str) -> None:
        """Makes `auto` mean the server `name`. Raises ConfigError."""
        with settings_file.change(self.home) as stored:
            entries = self._entries(stored)
            if name not in entries:
                raise _unknown(name, entries)
            if ENVIRONMENT in entries:
                raise ConfigError(
                    "The server that VISIONCRAFT_API_KEY or VISIONCRAFT_BASE_URL names is the "
                    "default.",
                    "Start the program without these variables to choose another one.",
                )
            stored["default"] = name

    def _summary(self, name: str, entry: object, default: str) -> ServerSummary:
        given = _object(entry)
        key, problem, at_once = given.get("key"), "", Profile.max_concurrency
        try:
            if name == ENVIRONMENT:
                key = self._key_of_environment()
                given["key"] = key
            at_once = profile_of(name, given if isinstance(entry, dict) else entry).max_concurrency
        except ConfigError as error:
            problem = str(error)
        return ServerSummary(
            name,
            "" if name == SANDBOX else clip(str(given.get("base_url", DEFAULT_BASE_URL)), 200),
            bool(key),
            key[-4:] if isinstance(key, str) and len(key) >= SHOWS_ITS_END else "",
            at_once,
            name == default,
            problem,
        )

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
        builtin = (AUTO, *_BUILT_IN)
        return {**entries, **{n: entry for n, entry in profiles.items() if n not in builtin}}

    def _refuse_misspelt_variables(self) -> None:
        """Raises ConfigError for a variable such as VISIONCRAFT_APIKEY, without whose key the
        sandbox would answer. Others may belong to another program."""
        given = (n.removeprefix(_PREFIX) for n in self._environ if n.startswith(_PREFIX))
        for name in given:
            if name not in _VARIABLES and (meant := nearest(name, _VARIABLES, 1)):
                raise ConfigError(
                    f"The environment variable {_PREFIX}{clip(name, 60)} is not known.",
                    f"Did you mean {_PREFIX}{meant[0]}? Rename it or unset it.",
                )

    def _variable(self, name: str) -> str:
        return self._environ.get(f"{_PREFIX}{name}", "").strip()

    def _key_of_environment(self) -> str:
        """In containers, VISIONCRAFT_API_KEY_FILE is the path of the mounted secret."""
        key, path = self._variable("API_KEY"), self._variable("API_KEY_FILE")
        if key or not path:
            return clean_key(key)
        try:
            content = Path(path).read_bytes()
            is_utf_16 = content.startswith((BOM_UTF16_LE, BOM_UTF16_BE))  # as PowerShell writes
            return clean_key(content.decode("utf-16" if is_utf_16 else "utf-8"))
        except (OSError, ValueError):
            raise ConfigError(
                "The file that VISIONCRAFT_API_KEY_FILE names cannot be read.",
                "Check its path and who may read it.",
            ) from None

    def _stored(self) -> dict[str, Any]:
        return settings_file.read(self.home)

    def _readable(self) -> dict[str, Any]:
        """What is stored, as `save` takes it: nothing where the file cannot be read."""
        try:
            return self._stored()
        except ConfigError:
            return {"profiles": {}}


def _check_name(name: str) -> None:
    if name in (AUTO, *_BUILT_IN) or not re.fullmatch(r"[\w.-]{1,60}", name):
        raise ConfigError(
            "A profile cannot be called that.",  # not what: it may be a key in the wrong place
            "Use letters, digits, dots, dashes and underscores, and no built-in name.",
        )


def _own(entries: Iterable[str]) -> list[str]:
    """The names of servers that a user has stored, and may rename or remove."""
    return [name for name in entries if name not in (AUTO, *_BUILT_IN)]


def _unknown(name: str, names: Iterable[str], *, or_url: bool = False) -> ConfigError:
    """`names` are those that could be used here."""
    if near := did_you_mean(name, names):
        return ConfigError(f'There is no server profile called "{clip(name, 60)}".', near)
    choice = clip(", ".join(names), 100)
    advice = f"Choose one of {choice}" if choice else "None is stored"
    if or_url and (url := with_scheme(name)):
        scheme = url.partition(":")[0]
        advice = f"If it is an address, write {scheme}:// in front of it; or choose one of {choice}"
    elif or_url:
        advice += ", or give a URL"
    return ConfigError(f'There is no server profile called "{shortened(name)}".', f"{advice}.")


def _taken(name: str) -> ConfigError:
    return ConfigError(f"There is a profile called {name} already.", "Choose another name.")


def _bind_key(
    name: str,
    entry: dict[str, Any],
    before: dict[str, Any],
    key: Secret | None,
    *,
    forget: bool,
) -> None:
    """Changes the key of `entry`, which was `before`. Raises ConfigError where a stored key would
    go to another server than the one that it was stored for."""
    origin = origin_of(str(entry.get("base_url", DEFAULT_BASE_URL)))
    if key:
        entry |= {"key": key.reveal(), "key_for": origin}
    elif forget:
        entry.pop("key", None)
        entry.pop("key_for", None)
    elif entry.get("key"):
        bound_to = before.get("key_for") or origin_of(_address(before))
        entry["key_for"] = bound_to
        if bound_to != origin:
            raise ConfigError(
                f"The stored key of {name} belongs to {clip(str(bound_to), 100)}.",
                "Enter the key of the new address, or remove the stored key.",
            )


def _object(entry: object) -> dict[str, Any]:
    return dict(entry) if isinstance(entry, dict) else {}


def _settings(entry: object) -> dict[str, Any]:
    """What an entry says beside its server and key, which are not its to say."""
    return {k: v for k, v in _object(entry).items() if k not in ("key_for", "base_url", "key")}


def _default(default: object, entries: dict[str, Any]) -> str:
    """The profile that `auto` means: of the environment, the default, the first with a key."""
    if ENVIRONMENT in entries:
        return ENVIRONMENT
    if not default:
        for name, entry in entries.items():  # a misspelt key would make another server the default
            refuse_misspelt_settings(name, entry)
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
