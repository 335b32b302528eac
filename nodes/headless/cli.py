"""The `visioncraft` command.

Only the command that is used is loaded, so that `visioncraft --help` is there at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from ...visioncraft_core.errors import Cancelled, UsageError, VisionCraftError
from ...visioncraft_core.profiles.secret import shortened
from ...visioncraft_core.spelling import did_you_mean
from ...visioncraft_core.version import VERSION
from .commands.console import BAD_USE, CANCELLED, EXIT_CODES, FAILED, finish, print_error
from .examples import EXAMPLES

COMMANDS = {
    "run": "run a ComfyUI workflow file or an example",
    "serve": "serve the API with your models, to whoever you give a key",
    "sandbox": "serve the API without models, key or network",
    "key": "keep the keys of servers, or try one",
    "catalog": "list the names that a server offers",
    "store": "paid results that are kept on this disk",
    "doctor": "check settings, connection and store; the report is safe to paste",
}


def main(arguments: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # a prompt may hold what a console cannot show
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = argparse.Namespace(notes=[])  # what --json tells beside the outcome
    try:
        _parser(given).parse(given, options)
        status = options.command(options)
    except Cancelled as error:
        status = finish(error, CANCELLED, options.notes, as_json="--json" in given)
    except VisionCraftError as error:
        status = BAD_USE if error.phase in ("", "check") else FAILED
        status = finish(error, status, options.notes, as_json="--json" in given)
    except KeyboardInterrupt:
        status = print_error(Cancelled("Cancelled."), CANCELLED)
    if arguments is None:
        _leave_with(status)
    return status


class _Parser(argparse.ArgumentParser):
    """Complains in one line, with the name that may have been meant."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"epilog": EXIT_CODES, **options})
        self.set_defaults(parser=self)

    def parse(self, given: Sequence[str], options: argparse.Namespace) -> None:
        first = given[0].partition("=")[0] if given else ""
        if first.startswith("-") and not any(o.startswith(first) for o in self.own_options()):
            near = did_you_mean(first, self.own_options())
            what = f"{first} is not understood; options of a command stand behind it. {near}"
            self.error(what.rstrip())
        _, strange = self.parse_known_args(given, options)
        if strange and "explain" in options and (words := options.explain(strange)):
            options.parser.error(words)
        if strange:
            known = options.parser.own_options()
            name = strange[0].partition("=")[0]  # not the value, which may be a secret
            options.parser.error(
                f"{name} is not understood. {did_you_mean(name, known)}".rstrip()
                if name.startswith("-")
                else f"{shortened(name)} is not understood."
            )

    def own_options(self) -> Collection[str]:
        return self._option_string_actions

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = [str(choice) for choice in action.choices]
            what = str(action.metavar or action.dest).lower()
            is_workflow = value in EXAMPLES or str(value).endswith(".json")
            if is_workflow and action.metavar == "COMMAND":
                self.error(f"{value} is not a command. Did you mean visioncraft run {value}?")
            if near := did_you_mean(str(value), names):
                self.error(f'there is no {what} "{value}". {near}')
            quote = f' "{value}"' if shortened(str(value)) == value else ""
            self.error(f"there is no such {what}{quote}. Choose one of {', '.join(names)}.")

    def error(self, message: str) -> NoReturn:
        if self._subparsers and message.startswith("the following arguments are required"):
            (action,) = self._subparsers._group_actions
            message = f"choose one of {', '.join(action.choices or ())}."
        message = message if message.endswith(("?", ".")) else f"{message}."
        raise UsageError(f"{self.prog}: {message}", f"See {self.prog} --help.")


def _parser(given: Sequence[str]) -> _Parser:
    parser = _Parser(
        prog="visioncraft",
        description="VisionCraft without ComfyUI: run saved workflows, or start a sandbox server.",
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    completing = "_ARGCOMPLETE" in os.environ
    for name, help_text in COMMANDS.items():
        if name in given or completing:
            import_module(f".commands.{name}", __package__).register(commands, help_text)
        else:
            commands.add_parser(name, help=help_text)
    if completing:
        with suppress(ImportError):  # the extra [completion]
            import_module("argcomplete").autocomplete(parser)
    return parser


def _leave_with(status: int) -> None:
    """Ends the process that a shell started, and its daemon threads where they are.

    A Python that ends by itself stops them inside the C++ of torch or FFmpeg, which now and then
    ends in an abort after a run that went well.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # closed, or its reader went away
            stream.flush()
    os._exit(status)
