"""`visioncraft serve`: a server of the API with models, keys and limits of its own."""

from __future__ import annotations

import argparse
import asyncio
import csv
import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ....visioncraft_core.errors import ConfigError
from .console import BAD_USE, DONE, FAILED, Subparsers, print_line, stop_by_signal

if TYPE_CHECKING:
    from ....visioncraft_core.serve.database import Database
    from ....visioncraft_core.serve.own_server import OwnServer
    from ....visioncraft_core.serve.ray_engine import Cluster
    from ....visioncraft_core.serve.settings import Configuration

FILE_NAME = "visioncraft.toml"
_IN_FILE = ("host", "port")
LOOKS = 2.0  # seconds between two looks whether the configuration was changed


def register(commands: Subparsers, help_text: str) -> None:
    parser = commands.add_parser("serve", help=help_text)
    _add_config(parser, None)
    config = argparse.ArgumentParser(add_help=False)
    _add_config(config, argparse.SUPPRESS)  # what stood before an action counts still
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--check", action="store_true", help="print what each endpoint uses and what is missing"
    )
    what.add_argument(
        "--suggest",
        action="store_true",
        help="write the configuration for what a ComfyUI and a language model server offer",
    )
    what.add_argument(
        "--try",
        dest="trial",
        nargs="?",
        const="visioncraft-try",
        metavar="FOLDER",
        help="make one small request to each endpoint, and keep the files",
    )
    parser.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="run the engines in the Ray cluster there, or in one of this computer alone",
    )
    for name in _IN_FILE:  # hidden: they are the sandbox's
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    parser.add_argument("--comfyui", metavar="URL", help="for --suggest: where ComfyUI is")
    parser.add_argument(
        "--llm", metavar="URL", help="for --suggest: where the models are, with /v1"
    )
    parser.set_defaults(command=_serve, parser=parser)
    actions = parser.add_subparsers(metavar="ACTION")
    _register_key(actions.add_parser("key", help="make and keep the keys of this server"), config)
    action = actions.add_parser(
        "usage", help="what each key used of each endpoint", parents=[config]
    )
    action.add_argument("--days", type=_days, default=30.0, help="how far back; 30")
    action.add_argument("--csv", action="store_true", help="as comma-separated values")
    action.set_defaults(command=_usage, parser=action)


def _add_config(parser: argparse.ArgumentParser, default: str | None) -> None:
    help_text = f"instead of {FILE_NAME} in this folder, or else in the folder of your settings"
    parser.add_argument("--config", metavar="FILE", default=default, help=help_text)


def _register_key(parser: argparse.ArgumentParser, config: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    action = actions.add_parser("add", help="make a key and show it, once", parents=[config])
    action.add_argument("name", metavar="NAME", help="of the person or team that it is for")
    action.add_argument("--premium", action="store_true", help="opens what needs a premium account")
    for option, words in (
        ("--per-minute", "requests a minute"),
        ("--per-day", "requests a day"),
        ("--at-once", "requests that are worked on at a time; others wait"),
    ):
        help_text = f"{words}, instead of the tier's; 0 is no limit"
        action.add_argument(option, type=_limit, metavar="N", help=help_text)
    action.set_defaults(command=_add_key, parser=action)
    action = actions.add_parser(
        "list", help="the names and ends of the keys, and their limits", parents=[config]
    )
    action.set_defaults(command=_list_keys, parser=action)
    action = actions.add_parser(
        "rotate", help="replace a key; the old one is no longer valid", parents=[config]
    )
    action.add_argument("name", metavar="NAME")
    action.set_defaults(command=_rotate_key, parser=action)
    action = actions.add_parser(
        "disable", help="let a key open nothing any more; rotate undoes it", parents=[config]
    )
    action.add_argument("name", metavar="NAME")
    action.set_defaults(command=_disable_key, parser=action)


def _serve(options: argparse.Namespace) -> int:
    for name in _IN_FILE:
        if getattr(options, name):
            told = f"Write {name} = in [server] of {FILE_NAME}."
            options.parser.error(f"--{name} is not understood. {told}")
    _require_extra()
    # What an engine's failure means is told in the answers of these commands.
    logging.getLogger("visioncraft.service").addHandler(logging.NullHandler())
    if options.suggest:
        return _suggest(options)
    path = _config_path(options)
    if path is None:
        return _tell_what_could_be_served()
    configuration = _read(path)
    if configuration is None:
        return BAD_USE
    if options.check:
        return _check(configuration)
    if options.trial:
        return _try(configuration, Path(options.trial))
    with _cluster(options.ray) as cluster:
        return _run(configuration, cluster)


def _run(configuration: Configuration, cluster: Cluster | None) -> int:
    from ....visioncraft_core.serve.own_server import OwnServer

    _log_to_console()
    _allow_open_files(configuration.connections + 512)
    with OwnServer(configuration, cluster) as server:
        print_line(sys.stdout, f"VisionCraft server on {server.url}")
        if not server.database.list_keys():
            advice = "Make the first one with: visioncraft serve key add NAME."
            print_line(sys.stderr, f"Nobody has a key yet. {advice}")
        stop, reload = stop_by_signal(), threading.Event()
        changed = reload.set

        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, lambda *_: changed())
        # Beside the rest: an engine that is away keeps whoever asks for it waiting.
        threading.Thread(target=_tell_problems, args=(server,), daemon=True).start()
        seen, looked = _version(configuration.path), time.monotonic()
        while not stop.wait(0.5):  # Windows delivers signals only between waits
            if time.monotonic() - looked > LOOKS:
                looked = time.monotonic()
                if (now := _version(configuration.path)) != seen:
                    seen = now
                    changed()
            if reload.is_set():
                reload.clear()
                server.reload()
    return DONE


def _tell_problems(server: OwnServer) -> None:
    for problem in server.problems():
        print_line(sys.stderr, f"Warning: {problem}")


def _check(configuration: Configuration) -> int:
    from ....visioncraft_core.serve import trial
    from ....visioncraft_core.serve.engines import Engines
    from ....visioncraft_core.serve.own_server import store_of

    async def check() -> list[str]:
        engines = Engines(configuration.engines)
        try:
            for line in trial.uses(engines, engines.queues):
                print_line(sys.stdout, line)
            return list(await engines.problems())
        finally:
            await engines.close()

    problems = asyncio.run(check())
    with _database(configuration) as database:
        print_line(sys.stdout, f"{'keys':<16}{len(database.list_keys())}")
    store_of(configuration)
    for problem in problems:
        print_line(sys.stderr, f"Missing: {problem}")
    return FAILED if problems else DONE


def _try(configuration: Configuration, folder: Path) -> int:
    from ....visioncraft_core.serve import trial
    from ....visioncraft_core.serve.engines import Engines

    def begins(path: str) -> None:
        print_line(sys.stderr, f"Waiting for {path}.")

    async def try_all() -> int:
        status = DONE
        engines = Engines(configuration.engines)
        try:
            async for tried in trial.try_all(engines, folder, begins):
                told = ", ".join(map(str, tried.files)) or tried.said
                print_line(sys.stdout, f"{tried.path:<16}{tried.seconds:7.1f} s  {told}")
                status = FAILED if tried.failed else status
        finally:
            await engines.close()
        return status

    return asyncio.run(try_all())


def _suggest(options: argparse.Namespace) -> int:
    from ....visioncraft_core.serve import suggestions

    comfyui = options.comfyui or suggestions.COMFYUI_URL
    llm = options.llm or suggestions.LLM_URL
    found = asyncio.run(suggestions.look(comfyui, llm))
    if not found.comfyui and not found.llms:
        raise ConfigError(
            f"Nothing answers: no ComfyUI on {comfyui}, no language models on {llm}.",
            "Start one of them, or name another with --comfyui URL or --llm URL.",
        )
    path = Path(options.config or FILE_NAME)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(suggestions.configuration_text(found))
    except FileExistsError:
        raise ConfigError(
            f"{path} is there already, and was not changed.",
            "Name another file with --config FILE to compare.",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}).", "Name another with --config FILE."
        ) from None
    for line in suggestions.summary(found):
        print_line(sys.stdout, line)
    print_line(sys.stdout, f"{path} is written. Check it with: visioncraft serve --check.")
    return DONE


def _tell_what_could_be_served() -> int:
    from ....visioncraft_core.profiles.paths import default_home
    from ....visioncraft_core.serve import suggestions

    found = asyncio.run(suggestions.look())
    for line in suggestions.summary(found):
        print_line(sys.stdout, line)
    missing = (
        "Write it with: visioncraft serve --suggest."
        if found.comfyui or found.llms
        else f"Start ComfyUI ({suggestions.COMFYUI_URL}) or Ollama ({suggestions.LLM_URL}) and use "
        "visioncraft serve --suggest, or write it as web/docs/serve.md shows: other engines need "
        "neither."
    )
    where = f"here or in {default_home()}"
    raise ConfigError(f"There is no {FILE_NAME} {where}, so nothing is served.", missing)


def _add_key(options: argparse.Namespace) -> int:
    given = {name: getattr(options, name) for name in ("per_minute", "per_day", "at_once")}
    limits = {name: limit for name, limit in given.items() if limit is not None}
    with _database(_optional(options)) as database:
        key = database.add_key(options.name, premium=options.premium, limits=limits)
    _show_key(options.name, key)
    return DONE


def _list_keys(options: argparse.Namespace) -> int:
    with _database(_optional(options)) as database:
        for key in database.list_keys():
            given = {"a minute": key.per_minute, "a day": key.per_day, "at once": key.at_once}
            limits = [f"{n} {what}" for what, n in given.items() if n is not None]
            marks = ["premium" if key.premium else "free", *limits]
            marks += ["disabled"] if key.disabled else []
            made = time.strftime("%Y-%m-%d", time.localtime(key.created))
            line = f"{key.name:<24}...{key.ending}  {made}  {', '.join(marks)}"
            print_line(sys.stdout, line)
    return DONE


def _rotate_key(options: argparse.Namespace) -> int:
    with _database(_optional(options)) as database:
        key = database.rotate_key(options.name)
    _show_key(options.name, key)
    return DONE


def _disable_key(options: argparse.Namespace) -> int:
    with _database(_optional(options)) as database:
        database.disable_key(options.name)
    print_line(sys.stdout, f"The key of {options.name} opens nothing any more.")
    return DONE


def _show_key(name: str, key: str) -> None:
    print_line(sys.stderr, f"The key of {name}, which is shown only now:")
    print_line(sys.stdout, key)


def _usage(options: argparse.Namespace) -> int:
    columns = ("key", "endpoint", "done", "left", "failed", "unfinished", "seconds")
    with _database(_optional(options)) as database:
        used = database.usage(options.days)
    rows = [[getattr(each, name) for name in columns] for each in used]
    for row in rows:
        row[-1] = round(row[-1], 1)
    if options.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([columns, *rows])
        return DONE
    for row in [columns, *rows]:
        numbers = "".join(f"{cell:>12}" for cell in row[2:])
        print_line(sys.stdout, f"{row[0]:<24}{row[1]:<16}{numbers}")
    return DONE


def _config_path(options: argparse.Namespace) -> Path | None:
    """The file that is named, else the first that there is."""
    from ....visioncraft_core.profiles.paths import default_home

    if options.config:
        return Path(options.config)
    choices = (Path(FILE_NAME), default_home() / FILE_NAME)
    return next((path for path in choices if path.exists()), None)


def _read(path: Path) -> Configuration | None:
    """None after all faults were printed."""
    from ....visioncraft_core.serve.configuration import FaultyConfiguration, read

    try:
        return read(path)
    except FaultyConfiguration as error:
        for fault in error.faults:
            print_line(sys.stderr, f"Error: {fault}")
        return None


def _optional(options: argparse.Namespace) -> Configuration | None:
    """For commands that need only the database. Raises ConfigError."""
    _require_extra()
    from ....visioncraft_core.serve.configuration import read

    path = _config_path(options)
    return read(path) if path else None


@contextmanager
def _database(configuration: Configuration | None) -> Iterator[Database]:
    from ....visioncraft_core.serve.configuration import default_database
    from ....visioncraft_core.serve.database import opened

    address = configuration.database if configuration else default_database()
    with opened(address) as database:
        yield database


@contextmanager
def _cluster(address: str | None) -> Iterator[Cluster | None]:
    """Raises ConfigError where Ray is missing or cannot be used."""
    if address is None:
        yield None
        return
    if find_spec("ray") is None:
        raise ConfigError(
            "Ray is not installed.", 'Install it with: pip install "visioncraft[ray]".'
        )
    from ....visioncraft_core.serve.ray_cluster import join

    cluster = join(address)
    try:
        yield cluster
    finally:
        cluster.close()


def _require_extra() -> None:
    """Raises ConfigError where something of it is missing; ComfyUI's registry has none."""
    core = __name__.rpartition(".nodes.")[0] + ".visioncraft_core"
    for name in ("prometheus_client", "sqlalchemy", f"{core}.serve"):
        if find_spec(name) is None:
            raise ConfigError(
                f"What a server needs is not installed ({name.rpartition('.')[2]}).",
                'Install it with: pip install "visioncraft[serve]".',
            )


def _version(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:  # an editor may be replacing it
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _log_to_console() -> None:
    handler = logging.StreamHandler()
    requests = logging.getLogger("visioncraft.service.requests")
    service = logging.getLogger("visioncraft.service")
    service.setLevel(logging.INFO)
    service.propagate = False
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    service.addHandler(handler)
    lines = logging.StreamHandler()  # JSON, one a line
    lines.setFormatter(logging.Formatter("%(message)s"))
    requests.addHandler(lines)
    requests.propagate = False


def _allow_open_files(wanted: int) -> None:
    """Each connection is an open file, of which systems allow few unless they are asked."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _limit(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError("a limit is a whole number; 0 is no limit")
    return int(text)


def _days(text: str) -> float:
    days = float(text)
    if not 0 < days <= 10_000:
        raise argparse.ArgumentTypeError("give a number of days")
    return days
