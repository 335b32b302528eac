"""`visioncraft key`: keeps the key of a server, or tries it."""

from __future__ import annotations

import argparse
import sys
from getpass import getpass

from ....visioncraft_core.api.endpoints import Chat
from ....visioncraft_core.errors import ConnectionFailed, KeyMissing, KeyRejected, VisionCraftError
from ....visioncraft_core.library import Client
from ....visioncraft_core.profiles.paths import default_home
from ....visioncraft_core.profiles.profiles import Profiles
from ....visioncraft_core.profiles.secret import Secret
from .console import DONE, FAILED, Subparsers, print_line


def register(commands: Subparsers) -> None:
    parser = commands.add_parser("key", help="keep the key of a server, or try it")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("set", help="ask for a key and keep it in a file of yours")
    action.add_argument("name", metavar="NAME", help="what you want to call the server")
    action.add_argument(
        "--base-url", default="", metavar="URL", help="another than the standard one"
    )
    action.set_defaults(command=_set)
    action = actions.add_parser("test", help="ask the server for a word with its key")
    action.add_argument("name", metavar="NAME", help="a server profile")
    action.set_defaults(command=_test)


def check_key(client: Client) -> None:
    """Asks a language model for one word, which shows whether the server accepts the key. Raises
    like `Client.send`."""
    client.profile.require_key()
    models = client.catalog("models-llm", stale_if_error=True)
    message = {"role": "user", "content": "Say OK."}
    client.send(Chat(model=models.names[0], messages=(message,)), seed=None)


def _set(options: argparse.Namespace) -> int:
    # Never an argument: those stand in the shell's history and in the list of processes.
    asked = sys.stdin.isatty()
    typed = getpass(f"Key for {options.name}: ") if asked else sys.stdin.readline()
    profiles = Profiles(default_home())
    profile = profiles.store_key(options.name, Secret(typed), options.base_url)
    print_line(sys.stdout, f"The key for {profile.base_url} is kept as {profile.name}.")
    return DONE


def _test(options: argparse.Namespace) -> int:
    client = Client(options.name)
    status = FAILED
    try:
        check_key(client)
        verdict, status = f"valid: {client.describe()} answered.", DONE
    except (KeyRejected, KeyMissing) as error:
        verdict = f"wrong: {error}"
    except ConnectionFailed as error:
        verdict = f"unreachable: {error}"
    except VisionCraftError as error:
        verdict = f"not certain: {error}"
    print_line(sys.stdout, f"The key of {options.name} is {verdict}")
    return status
