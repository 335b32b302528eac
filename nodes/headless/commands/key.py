"""`visioncraft key`: keeps the keys of servers, or tries one."""

from __future__ import annotations

import argparse
import sys
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
from ....visioncraft_core.profiles.profiles import ENVIRONMENT, Profiles
from ....visioncraft_core.profiles.secret import Secret
from .console import DONE, FAILED, Subparsers, confirmed, print_line

FROM_ENVIRONMENT = (
    "VISIONCRAFT_API_KEY or VISIONCRAFT_BASE_URL is set: that server is the default, whatever is "
    "stored here."
)


def register(commands: Subparsers, help_text: str) -> None:
    parser = commands.add_parser("key", help=help_text)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("set", help="ask for a key and keep it in a file of yours")
    action.add_argument("name", metavar="NAME", help="what you want to call the server")
    action.add_argument(
        "--base-url", default="", metavar="URL", help="another than the standard one"
    )
    action.set_defaults(command=_set, parser=action)
    action = actions.add_parser("list", help="the servers, the ends of their keys, the default")
    action.set_defaults(command=_list, parser=action)
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


def _set(options: argparse.Namespace) -> int:
    # Never an argument: those stand in the shell's history and in the list of processes.
    asked = sys.stdin.isatty()
    typed = getpass(f"Key for {options.name}: ") if asked else sys.stdin.readline()
    profiles = Profiles(default_home())
    profile = profiles.store_key(options.name, Secret(typed), options.base_url)
    print_line(sys.stdout, f"The key for {profile.base_url} is kept as {profile.name}.")
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
    profiles.remove(options.name)
    print_line(sys.stdout, f"{options.name} and its key are removed.")
    _tell_default(profiles)
    return DONE


def _tell_default(profiles: Profiles) -> None:
    servers = profiles.overview()
    if any(server.name == ENVIRONMENT for server in servers):
        print_line(sys.stdout, FROM_ENVIRONMENT)
        return
    default = next((server.name for server in servers if server.is_default), "")
    if default:
        print_line(sys.stdout, f"The default server is {default}.")
    if problem := profiles.problem():
        print_line(sys.stderr, f"Warning: {problem}")


def _test(options: argparse.Namespace) -> int:
    client = Client(options.name)
    status = FAILED
    try:
        client.profile.require_key()
        model = client.catalog("models-llm", stale_if_error=True).names[0]
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
