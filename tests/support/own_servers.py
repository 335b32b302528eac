"""Servers as `visioncraft serve` runs them, with engines made for tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from support.clients import body_of
from support.timing import LONG
from visioncraft.visioncraft_core.api.endpoints import Chat
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.serve import configuration
from visioncraft.visioncraft_core.serve.own_server import OwnServer
from visioncraft.visioncraft_core.service.engine import Engine

PAINTED = '[[engine]]\nname = "paint"\nkind = "painted"\n'


class Served:
    """A running server and a key for it."""

    def __init__(self, server: OwnServer, name: str = "anna", **key: Any) -> None:
        self.server = server
        self.url = server.url
        self.key = server.database.add_key(name, **key)

    def ask(self, kind: type[Request] = Chat, key: str = "", **more: Any) -> requests.Response:
        """Posts a body for `kind`; `more` are fields of it, `headers` those of the request."""
        headers = more.pop("headers", {})
        body = {"token": key or self.key, **body_of(kind), **more}
        return requests.post(self.url + kind.path, json=body, headers=headers, timeout=LONG)

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.url + path, headers=headers, timeout=LONG)


def written(folder: Path, text: str, server: str = "", port: int = 0, stop: float = 1.0) -> Path:
    """A configuration in `folder`, whose data are there too."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / configuration.FILE_NAME
    path.write_text(f'[server]\nport = {port}\ndata = "."\nstop_seconds = {stop}\n{server}\n{text}')
    return path


@contextmanager
def served(
    folder: Path,
    text: str = PAINTED,
    server: str = "",
    engine: Engine | None = None,
    stop: float = 1.0,
    cluster: Any = None,
    **key: Any,
) -> Iterator[Served]:
    """`engine` makes the results instead of the first one of the configuration."""
    path = written(folder, text, server, stop=stop)
    with OwnServer(configuration.read(path), cluster) as running:
        if engine:
            running.engines.queues[0].engine = engine
        yield Served(running, **key)


@contextmanager
def process_of(config: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`visioncraft serve` with a configuration, and its address."""
    program = str(Path(sys.executable).with_name("visioncraft"))
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen([program, "serve", "--config", str(config)], **pipes) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()
