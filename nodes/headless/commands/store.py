"""`visioncraft store`: what is kept of paid results."""

from __future__ import annotations

import argparse
import sys
import time
from functools import lru_cache

from ....visioncraft_core.errors import ConfigError
from ....visioncraft_core.profiles.paths import default_home
from ....visioncraft_core.store.store import MAX_BYTES, Store
from .console import DONE, FAILED, Subparsers, confirmed, print_line


def register(commands: Subparsers, help_text: str) -> None:
    parser = commands.add_parser("store", help=help_text)
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, action, words in (
        ("size", _size, "how many files, and how large they are"),
        ("list", _list, "what is kept, newest first"),
        ("clear", _clear, "remove all of it"),
        ("verify", _verify, "read everything once and remove what is damaged"),
    ):
        parser = actions.add_parser(name, help=words)
        parser.set_defaults(command=action, parser=parser)
        if action is _clear:
            parser.add_argument("--yes", action="store_true", help="do not ask")


def _size(_options: argparse.Namespace) -> int:
    files, size = _store().size()
    print_line(sys.stdout, f"{files} files, {_mebibytes(size)} of at most {_mebibytes(MAX_BYTES)}")
    return DONE


def _list(_options: argparse.Namespace) -> int:
    for entry in _store().entries():
        made = _moment(entry.made)
        text = f"{made}  {_mebibytes(entry.size):>9}  {entry.path:<13}  {entry.about}"
        print_line(sys.stdout, f"{text}  ({entry.server})")
        if entry.unparsed:
            print_line(sys.stdout, f"{'':18}gave no result; its answer is in {entry.unparsed}")
    return DONE


def _clear(options: argparse.Namespace) -> int:
    files, size = _store().size()
    question = f"Remove {files} files ({_mebibytes(size)})? What was paid must be paid again."
    if files and not confirmed(question, yes=options.yes):
        raise ConfigError("Nothing was removed.", "Add --yes to remove it without a question.")
    print_line(sys.stdout, f"{_mebibytes(_store().clear())} are free again.")
    return DONE


def _verify(_options: argparse.Namespace) -> int:
    health = _store().verify()
    print_line(sys.stdout, f"{health.good} files are whole.")
    if not health.damaged:
        return DONE
    removed = f"{health.damaged} damaged files were removed"
    print_line(sys.stdout, f"{removed}; such results are asked for anew.")
    return FAILED


def _moment(seconds: float) -> str:
    try:
        return _minute(seconds // 60)
    except (OverflowError, OSError, TypeError, ValueError):  # a damaged record
        return "at no known time"


@lru_cache(maxsize=16)  # many results are of the same minute
def _minute(minutes: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(60 * minutes))


def _store() -> Store:
    return Store(default_home() / "store")


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
