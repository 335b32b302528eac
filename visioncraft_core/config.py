"""Server profiles: a base URL with the key that belongs to it, and how to talk to it.

Profiles come from the environment (VISIONCRAFT_API_KEY, VISIONCRAFT_BASE_URL) and from
`profiles.json` in the home folder; `sandbox` and `auto` are always there. The only module that
reads the environment. Opens no connection.

    {"default": "work",
     "profiles": {"work": {"base_url": "https://...", "key": "...", "upload": "png",
                           "timeouts": {"total": 300}}}}
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from .errors import ConfigError, KeyMissing, clip
from .files import write_whole
from .media import UPLOAD_FORMATS, UploadFormat

DEFAULT_BASE_URL = "https://visioncraft-rs24.koyeb.app"
# Printed in the README: they open the sandbox and nothing else.
SANDBOX_FREE_KEY = "sandbox-free"
SANDBOX_PREMIUM_KEY = "sandbox-premium"

FILE = "profiles.json"

log = logging.getLogger("visioncraft")

AUTO, SANDBOX, ENVIRONMENT = "auto", "sandbox", "environment"


class Secret:
    """A key that does not print. Only the transport reveals it, into a request body."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        value = value.strip()
        if not re.fullmatch(r"[!-~]{8,512}", value):
            raise ConfigError(
                "The configured key is not a VisionCraft key.",
                "A key has 8 to 512 letters, digits and signs, without spaces; copy it again.",
            )
        self._value = value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is not pickled")

    def reveal(self) -> str:
        return self._value

    def hide(self, text: str) -> str:
        """`text` with every form of the key replaced by stars."""
        key = self._value
        forms = {key, quote(key, safe=""), json.dumps(key)[1:-1], b64encode(key.encode()).decode()}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, "***")
        return text


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


def named_home(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The folder that VISIONCRAFT_HOME names, inside ComfyUI and outside."""
    return Path(environ["VISIONCRAFT_HOME"]) if environ.get("VISIONCRAFT_HOME") else None


def default_home(environ: Mapping[str, str] = os.environ) -> Path:
    """Where settings and caches lie outside ComfyUI: the system's folder for a user's data."""
    if named := named_home(environ):
        return named
    if sys.platform == "win32":
        base = Path(environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "visioncraft"


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
