"""`visioncraft key`: keeps the keys of servers, or tries one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from getpass import getpass

from ....visioncraft_core.api.endpoints import Chat
from ....visioncraft_core.client import Client
from ....visioncraft_core.errors import (
    ConfigError,
    ConnectionFailed,
    KeyMissing,
    KeyRejected,
    VisionCraftError,
)
from ....visioncraft_core.profiles.paths import default_home
from ....visioncraft_core.profiles.profile import DEFAULT_BASE_URL
from ....visioncraft_core.profiles.profiles import ENVIRONMENT, Profiles
from ....visioncraft_core.profiles.secret import Secret
from ....visioncraft_core.spelling import nearest
from ....visioncraft_core.urls import is_loopback
from .console import DONE, FAILED, Subparsers, confirmed, print_line

TYPED_KEY = (
    "what was typed at the end is not understood. `visioncraft key set` asks for the key, or "
    "reads it from standard input: keys on a command line stay in the shell's history"
)
FROM_ENVIRONMENT = (
    "VISIONCRAFT_API_KEY or VISIONCRAFT_BASE_URL is set: that server is the default, whatever is "
    "stored here."
)


def register(commands: Subparsers, help_text: str) -> None:
    parser = commands.add_parser("key", help=help_text)
    parser.set_defaults(explain=_explained)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("set", help="ask for a key and keep it in a file of yours")
    action.add_argument("name", metavar="NAME", help="what you want to call the server")
    action.add_argument(
        "--base-url",
        default="",
        metavar="URL",
        help="the address that the key is for (default: that of the public service, which is gone)",
    )
    action.set_defaults(command=_set, parser=action)
    action = actions.add_parser("list", help="the servers, the ends of their keys, the default")
    action.set_defaults(command=_list, parser=action)
    action = actions.add_parser("default", help="choose the server that is used unless another is")
    action.add_argument("name", metavar="NAME", help="a server profile, or sandbox")
    action.set_defaults(command=_set_default, parser=action)
    action = actions.add_parser("remove", help="remove a server and its key")
    action.add_argument("name", metavar="NAME", help="a server profile")
    action.add_argument("--yes", action="store_true", help="do not ask")
    action.set_defaults(command=_remove, parser=action)
    action = actions.add_parser(
        "test", help="try a key: asks a language model for one word, which is a call that may cost"
    )
    action.add_argument("name", metavar="NAME", help="a server profile")
    action.add_argument("--yes", action="store_true", help="do not ask before the call")
    action.set_defaults(command=_test, parser=action)


def _explained(strange: Sequence[str]) -> str:
    """Without what was typed, which may be the key; "" for a misspelt option."""
    options, keys = ("--base-url", "--yes"), ("--key", "--api-key", "--token")
    meant = nearest(strange[0].partition("=")[0], (*options, *keys), 1)
    return "" if meant and meant[0] in options else TYPED_KEY


def _set(options: argparse.Namespace) -> int:
    profiles = Profiles(default_home())
    url, replaces = profiles.expect_key(options.name, options.base_url)
    _tell_address(url)
    # Never an argument: those stand in the shell's history and in the list of processes.
    try:
        asked = sys.stdin.isatty()
        typed = getpass(f"Key for {options.name}: ") if asked else sys.stdin.readline()
    except EOFError:
        raise ConfigError("No key was typed.", "Nothing was changed.") from None
    before = _default_of(profiles)
    profile = profiles.store_key(options.name, Secret(typed), options.base_url)
    print_line(sys.stdout, f"The key for {profile.base_url} is kept as {profile.name}.")
    if replaces:
        print_line(sys.stdout, "It replaces the key that was kept under this name.")
    _tell_default(profiles, before)
    return DONE


def _tell_address(url: str) -> None:
    """What a user should know of it before a key is typed."""
    if url == DEFAULT_BASE_URL:
        note = f"The key will be for {url}, the public service, which is gone; --base-url names "
        print_line(sys.stderr, f"Note: {note}another server.")
    elif url.startswith("http:") and not is_loopback(url):
        print_line(
            sys.stderr,
            "Note: over http anyone on the way can read a key; for this address only the keys of "
            "`visioncraft sandbox` are taken. Use https for others.",
        )


def _set_default(options: argparse.Namespace) -> int:
    profiles = Profiles(default_home())
    profiles.set_default(options.name)
    _tell_default(profiles)
    return DONE


def _list(_options: argparse.Namespace) -> int:
    profiles = Profiles(default_home())
    for server in profiles.overview():
        key = (
            f"key ...{server.key_end}" if server.key_end else "key" if server.has_key else "no key"
        )
        address = server.base_url or "in this process"
        mark = "  (default)" if server.is_default else ""
        print_line(sys.stdout, f"{server.name:<16}{address}  {key}{mark}")
        if server.problem:
            print_line(sys.stderr, f"Warning: {server.problem}")
    _tell_default(profiles)
    return DONE


def _remove(options: argparse.Namespace) -> int:
    profiles = Profiles(default_home())
    if options.name in profiles.names() and not confirmed(
        f"Remove {options.name} and its key?", yes=options.yes
    ):
        raise ConfigError("Nothing was removed.", "Add --yes to remove it without a question.")
    before = _default_of(profiles)
    profiles.remove(options.name)
    print_line(sys.stdout, f"{options.name} and its key are removed.")
    _tell_default(profiles, before)
    return DONE


def _default_of(profiles: Profiles) -> str:
    return next((server.name for server in profiles.overview() if server.is_default), "")


def _tell_default(profiles: Profiles, before: str | None = None) -> None:
    """`before` is what the default was before a change that did not choose one."""
    default = _default_of(profiles)
    if default == ENVIRONMENT:
        print_line(sys.stdout, FROM_ENVIRONMENT)
    elif default and before not in (None, default):
        print_line(
            sys.stdout,
            f"The default server is now {default} instead of {before}, as none was chosen; "
            "`visioncraft key default NAME` chooses one.",
        )
    elif default:
        print_line(sys.stdout, f"The default server is {default}.")
    if problem := profiles.problem():
        print_line(sys.stderr, f"Warning: {problem}")


def _test(options: argparse.Namespace) -> int:
    client = Client(options.name)
    status = FAILED
    try:
        client.profile.require_key()
        models = client.catalog("models-llm", stale_if_error=True).names
        if not models:
            offers = f"{client.describe()} offers no language model to ask for a word"
            told = f"The key of {options.name} cannot be tried: {offers}. Any run will try it."
            print_line(sys.stdout, told)
            return status
        model = models[0]
        question = f"This asks {model} at {client.describe()} for one word, which may cost. Go on?"
        if not client.profile.embedded and not confirmed(question, yes=options.yes):
            raise ConfigError("Nothing was sent.", "Add --yes to try the key with one call.")
        message = {"role": "user", "content": "Say OK."}
        client.send(Chat(model=model, messages=(message,)), seed=None)
        verdict, status = f"valid: {client.describe()} answered.", DONE
    except (KeyRejected, KeyMissing) as error:
        verdict = f"wrong: {error}"
    except ConnectionFailed as error:
        verdict = f"unreachable: {error}"
    except ConfigError:
        raise
    except VisionCraftError as error:
        verdict = f"not certain: {error}"
    print_line(sys.stdout, f"The key of {options.name} is {verdict}")
    return status
