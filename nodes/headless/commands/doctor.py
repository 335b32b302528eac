"""`visioncraft doctor`: looks at everything a call depends on and prints a report.

The report is made to be pasted into an issue: no key, no path with a user's name, no address but
the server's host.
"""

from __future__ import annotations

import argparse
import platform
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from ....visioncraft_core.api.endpoints import CATALOGS
from ....visioncraft_core.atomic import temporary_file
from ....visioncraft_core.client import Client
from ....visioncraft_core.errors import (
    CertificateError,
    ConnectionFailed,
    ConnectionRefused,
    ConnectTimeout,
    DNSLookupFailed,
    HostNotFound,
    ProxyError,
    StoreUnreadable,
    TLSError,
    VisionCraftError,
)
from ....visioncraft_core.profiles.paths import default_home, shown
from ....visioncraft_core.profiles.profiles import FILE, Profiles
from ....visioncraft_core.store.store import Store
from .console import DONE, FAILED, Subparsers, add_server_option, print_line

Verdict = Literal["ok", "warning", "failed", "skipped"]

# Below these, known holes are open in what we are built on; we stay safe by our own checks.
MIN_VERSIONS = {"requests": (2, 32, 4), "urllib3": (2, 7, 0), "pillow": (12, 2, 0)}

# What does not work without each.
PACKAGES = {
    "torch": 'workflows with pictures do not run here (pip install "visioncraft[standalone]")',
    "numpy": "nothing with pictures works",
    "pillow": "nothing with pictures works",
    "av": "no videos are read or written",
    "aiohttp": "there is no sandbox",
    "requests": "no server can be asked",
    "urllib3": "",
    "tqdm": "visioncraft run --rows does not work",
}

_STEPS: list[tuple[str, tuple[type[VisionCraftError], ...]]] = [
    ("DNS", (HostNotFound, DNSLookupFailed)),
    ("connection", (ConnectionRefused, ConnectTimeout, ProxyError)),
    ("TLS", (CertificateError, TLSError)),
]


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    verdict: Verdict
    name: str
    words: str


def register(commands: Subparsers, help_text: str) -> None:
    parser = commands.add_parser("doctor", help=help_text)
    add_server_option(parser)
    parser.set_defaults(command=_report)


def _report(options: argparse.Namespace) -> int:
    verdicts: set[Verdict] = set()
    for check in checks(options.server):
        verdicts.add(check.verdict)
        words = check.words.replace(shown(default_home()), "VISIONCRAFT_HOME")
        print_line(sys.stdout, f"{check.verdict:<8} {check.name:<11} {words}")
    return FAILED if "failed" in verdicts else DONE


def checks(server: str) -> Iterator[Check]:
    """Each check as it ends. Raises nothing."""
    home = default_home()
    computer = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    yield Check("ok", "visioncraft", f"{version('visioncraft')} on Python {computer}")
    yield _packages()
    yield _comfyui(Path(__file__).parents[3])
    yield _folder(home)
    yield _store(home)
    try:
        client = Client(server)
    except VisionCraftError as error:
        yield Check("failed", "base URL", str(error))
        return
    profile = client.profile
    yield Check("ok", "base URL", f"{client.describe()} ({profile.name})")
    if not profile.verify:
        yield Check("warning", "TLS", "certificates are not checked (verify is off)")
    connection = _connection(client)
    yield from connection
    if any(check.verdict == "failed" for check in connection):
        yield Check("skipped", "key", "the server is not reached")
        return
    yield _key(client)


def _key(client: Client) -> Check:
    """Whether there is one. To try it would be a call, which may cost."""
    try:
        client.profile.require_key()
    except VisionCraftError as error:
        return Check("failed", "key", str(error))
    if client.profile.embedded:
        return Check("ok", "key", "the sandbox needs none")
    return Check(
        "ok", "key", f"there is one; `visioncraft key test {client.profile.name}` tries it (a call)"
    )


def _packages() -> Check:
    """Versions, what is missing and what that costs. Nothing is imported."""
    found: list[str] = []
    problems: list[str] = []
    for name, without in PACKAGES.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            if without:
                problems.append(f"{name} is missing: {without}")
            continue
        found.append(f"{name} {installed}")
        numbers = tuple(int(n) for n in re.findall(r"\d+", installed)[:3])
        minimum = MIN_VERSIONS.get(name, ())
        if numbers < minimum:
            problems.append(f"{name} below {'.'.join(map(str, minimum))} has known holes")
    return Check(
        "warning" if problems else "ok", "packages", "; ".join([", ".join(found), *problems])
    )


def _comfyui(pack: Path) -> Check:
    """The ComfyUI that this pack lies in, read and not imported."""
    try:
        text = (pack.parent.parent / "comfyui_version.py").read_text("utf-8")
    except (OSError, ValueError):
        return Check("skipped", "ComfyUI", "this pack does not lie in one")
    found = re.search(r"""__version__\s*=\s*["']([\w.+-]{1,40})""", text)
    return Check("ok", "ComfyUI", found[1] if found else "of an unknown version")


def _folder(home: Path) -> Check:
    path = home / FILE
    try:
        names = Profiles(home).names()
        readable = path.is_file() and path.stat().st_mode & 0o077 and sys.platform != "win32"
    except OSError as error:
        return Check("failed", "settings", f"cannot be read ({error.strerror})")
    if readable:
        return Check("warning", "settings", f"{FILE} can be read by other users of this computer")
    wrong: dict[str, None] = {}  # also of servers that nobody asked for, each message once
    for name in names:
        try:
            Profiles(home).find(name)
        except VisionCraftError as error:
            wrong[str(error)] = None
    if wrong:
        return Check("warning", "settings", " ".join(wrong))
    return Check("ok", "settings", f"servers: {', '.join(names)}")


def _store(home: Path) -> Check:
    folder = home / "store"
    try:
        health = Store(folder).verify()
    except StoreUnreadable as error:
        return Check("failed", "store", str(error))
    _, size = Store(folder).size()
    words = f"{health.good} files, {size / 2**20:.1f} MiB"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with temporary_file(folder, b"x"):
            pass
    except OSError as error:
        return Check("warning", "store", f"{words}; no more can be kept ({error.strerror})")
    if health.damaged:
        return Check("warning", "store", f"{words}; {health.damaged} damaged ones were removed")
    return Check("ok", "store", words)


def _connection(client: Client) -> list[Check]:
    """DNS, connection, TLS and catalogs; one request tells of the first three."""
    started = time.monotonic()
    answered, problem, empty = 0, None, []
    for name in CATALOGS:
        listing = client.catalog(name, stale_if_error=True)
        answered += listing.source == "live"
        problem = problem or listing.error
        empty += [] if listing.names else [name]
        if isinstance(listing.error, ConnectionFailed):
            break
    seconds = time.monotonic() - started
    found: list[Check] = []
    for step, classes in _STEPS:
        if step == "TLS" and not client.profile.base_url.startswith("https:"):
            continue
        if isinstance(problem, classes):
            return [*found, Check("failed", step, str(problem))]
        found.append(Check("ok", step, "fine"))
    words = f"{answered} of {len(CATALOGS)} answered in {seconds:.1f} s"
    words += f"; the server offers no {', '.join(empty)}" if empty else ""
    words += f". {problem}" if problem else ""
    whole = answered == len(CATALOGS)
    verdict: Verdict = "ok" if whole else "warning" if answered else "failed"
    return [*found, Check(verdict, "catalogs", words)]
