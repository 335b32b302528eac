"""Routes of the server profiles. Keys go in and never come out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...visioncraft_core.client import Client
from ...visioncraft_core.errors import Cancelled, VisionCraftError
from ...visioncraft_core.profiles import settings_file
from ...visioncraft_core.profiles.profile import SANDBOX
from ...visioncraft_core.profiles.profiles import ENVIRONMENT, Profiles
from ...visioncraft_core.profiles.secret import Secret
from .guard import Refused, Route, require_single_user

TEST_SECONDS = 20.0  # a user waits at the page for it


def listing(home: Path, _body: dict[str, Any]) -> dict[str, Any]:
    """All servers without their keys, what is wrong with the file, and why nothing can be changed,
    "" where it can."""
    profiles = Profiles(home)
    try:
        require_single_user()
        read_only = ""
    except Refused as error:
        read_only = str(error)
    servers = [
        {**asdict(server), "built_in": server.name in (SANDBOX, ENVIRONMENT)}
        for server in profiles.overview()
    ]
    return {"servers": servers, "problem": profiles.problem(), "read_only": read_only}


def save(home: Path, body: dict[str, Any]) -> dict[str, Any]:
    """Adds a profile where `new` is true, else changes one. An empty `key` keeps the stored one,
    `forget_key` removes it."""
    key = _text(body, "key").strip()
    at_once = body.get("max_concurrency")
    name = _text(body, "name")

    def change(profiles: Profiles) -> str:
        profiles.save(
            name,
            new=_flag(body, "new"),
            base_url=_text(body, "base_url"),
            key=Secret(key) if key else None,
            forget_key=_flag(body, "forget_key"),
            max_concurrency=at_once,
        )
        return f"{name} is saved."

    return _changed(home, change)


def rename(home: Path, body: dict[str, Any]) -> dict[str, Any]:
    name, new_name = _text(body, "name"), _text(body, "new_name")

    def change(profiles: Profiles) -> str:
        profiles.rename(name, new_name)
        return (
            f"{name} is called {new_name} now. Choose it again in workflows with a VisionCraft "
            f"Server node that names {name}."
        )

    return _changed(home, change)


def remove(home: Path, body: dict[str, Any]) -> dict[str, Any]:
    name = _text(body, "name")

    def change(profiles: Profiles) -> str:
        profiles.remove(name)
        return f"{name} and its key are removed."

    return _changed(home, change)


def make_default(home: Path, body: dict[str, Any]) -> dict[str, Any]:
    name = _text(body, "name")

    def change(profiles: Profiles) -> str:
        profiles.set_default(name)
        return f"{name} is used wherever a workflow names no server."

    return _changed(home, change)


def try_server(home: Path, body: dict[str, Any]) -> dict[str, Any]:
    """Asks a server for a list, which costs nothing and needs no key: the API has no request that
    checks a key and is not counted."""
    name = _text(body, "name")
    if name not in Profiles(home).names():
        raise Refused("There is no such server profile.", "Reload the page.")
    end = time.monotonic() + TEST_SECONDS
    try:
        with Client(name, home=home) as client:
            listed = client.catalog("models-xl", should_cancel=lambda: time.monotonic() > end)
            profile, server = client.profile, client.describe()
    except Cancelled:
        text = f"{name} did not answer within {TEST_SECONDS:.0f} seconds. Check its address."
        return {"ok": False, "text": text}
    except VisionCraftError as error:
        return {"ok": False, "text": str(error)}
    text = f"{name} ({server}) answers and lists {len(listed.names)} SDXL models."
    if profile.embedded:
        text += " It needs no key."
    elif profile.key is None:
        return {"ok": False, "text": f"{text} No key is stored, and making something needs one."}
    else:
        text += " Whether it accepts the key is only seen in a run, because lists need none."
    return {"ok": True, "text": text}


def _changed(home: Path, change: Callable[[Profiles], str]) -> dict[str, Any]:
    require_single_user()
    broken = settings_file.is_broken(home)
    done = change(Profiles(home))
    if broken:
        done += f" The file that could not be read is kept as {settings_file.BROKEN}."
    return {**listing(home, {}), "done": done}


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str):
        raise Refused(f"{name} is not a text.", "Reload the page and try again.")
    return value


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise Refused(f"{name} is not true or false.", "Reload the page and try again.")
    return value


ROUTES: tuple[Route, ...] = (
    ("GET", "profiles", listing),
    ("POST", "profiles/save", save),
    ("POST", "profiles/rename", rename),
    ("POST", "profiles/remove", remove),
    ("POST", "profiles/default", make_default),
    ("POST", "profiles/test", try_server),
)
