"""`visioncraft catalog`: lists the names that a server offers."""

from __future__ import annotations

import argparse
import sys

from ....visioncraft_core.api.endpoints import CATALOGS
from .console import DONE, Subparsers, add_server_option, print_line


def register(commands: Subparsers, help_text: str) -> None:
    parser = commands.add_parser("catalog", help=help_text)
    parser.add_argument("name", choices=list(CATALOGS), metavar="NAME", help=", ".join(CATALOGS))
    add_server_option(parser)
    parser.set_defaults(command=_list)


def _list(options: argparse.Namespace) -> int:
    from ....visioncraft_core.client import Client

    client = Client(options.server)
    names = client.catalog(options.name).names
    for name in names:
        print_line(sys.stdout, name)
    if not names:
        print_line(sys.stderr, f"{CATALOGS[options.name]}: {client.describe()} offers none.")
    return DONE
