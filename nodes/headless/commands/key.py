"""Commands about servers and what is kept of them: catalogs, keys and the store."""

from __future__ import annotations

import argparse
import sys
import time
from getpass import getpass

from ....visioncraft_core.api.endpoints import Chat
from ....visioncraft_core.client import Client
from ....visioncraft_core.errors import ConnectionFailed, KeyMissing, KeyRejected, VisionCraftError
from ....visioncraft_core.profiles.paths import default_home
from ....visioncraft_core.profiles.profiles import Profiles
from ....visioncraft_core.profiles.secret import Secret
from ....visioncraft_core.store.store import MOST_BYTES, Store
from .console import DONE, FAILED, line


def catalog(options: argparse.Namespace) -> int:
    profile = Profiles(default_home()).find(options.server)
    for name in Client(profile, default_home()).catalog(options.name).names:
        line(sys.stdout, name)
    return DONE


def key_set(options: argparse.Namespace) -> int:
    # Never an argument: those stand in the shell's history and in the list of processes.
    asked = sys.stdin.isatty()
    typed = getpass(f"Key for {options.name}: ") if asked else sys.stdin.readline()
    profiles = Profiles(default_home())
    profile = profiles.store_key(options.name, Secret(typed), options.base_url)
    line(sys.stdout, f"The key for {profile.base_url} is kept as {profile.name}.")
    return DONE


def key_test(options: argparse.Namespace) -> int:
    client = Client(Profiles(default_home()).find(options.name), default_home())
    word = {"role": "user", "content": "Say OK."}
    models, _ = client.listing("models-llm")
    try:
        client.send(Chat(model=models.names[0], messages=(word,)), variation=None)
    except (KeyRejected, KeyMissing) as error:
        verdict, status = f"wrong: {error}", FAILED
    except ConnectionFailed as error:
        verdict, status = f"unreachable: {error}", FAILED
    except VisionCraftError as error:
        verdict, status = f"not certain: {error}", FAILED
    else:
        verdict, status = f"valid: {client.describe()} answered.", DONE
    line(sys.stdout, f"The key of {options.name} is {verdict}")
    return status


def store_size(_options: argparse.Namespace) -> int:
    files, size = _store().size()
    line(sys.stdout, f"{files} files, {_mebibytes(size)} of at most {_mebibytes(MOST_BYTES)}")
    return DONE


def store_list(_options: argparse.Namespace) -> int:
    for entry in _store().entries():
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.made))
        told = f"{made}  {_mebibytes(entry.size):>9}  {entry.path:<13}  {entry.about}"
        line(sys.stdout, f"{told}  ({entry.server})")
        if entry.unread:
            line(sys.stdout, f"{'':18}gave no result; its answer is in {entry.unread}")
    return DONE


def store_clear(_options: argparse.Namespace) -> int:
    line(sys.stdout, f"{_mebibytes(_store().clear())} are free again.")
    return DONE


def store_verify(_options: argparse.Namespace) -> int:
    health = _store().verify()
    line(sys.stdout, f"{health.good} files are whole.")
    if not health.damaged:
        return DONE
    removed = f"{health.damaged} damaged files were removed"
    line(sys.stdout, f"{removed}; such results are asked for anew.")
    return FAILED


def _store() -> Store:
    return Store(default_home() / "store")


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
