"""Servers as `visioncraft serve` runs them, with engines made for tests."""

from __future__ import annotations

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

    def __init__(self, server: OwnServer, **key: Any) -> None:
        self.server = server
        self.url = server.url
        self.key = server.database.add_key("anna", **key)

    def ask(self, kind: type[Request] = Chat, key: str = "", **more: Any) -> requests.Response:
        """Posts a body for `kind`; `more` are fields of it, `headers` those of the request."""
        headers = more.pop("headers", {})
        body = {"token": key or self.key, **body_of(kind), **more}
        return requests.post(self.url + kind.path, json=body, headers=headers, timeout=LONG)

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.url + path, headers=headers, timeout=LONG)


def written(folder: Path, text: str, server: str = "") -> Path:
    """A configuration in `folder`, whose data are there too."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / configuration.FILE_NAME
    path.write_text(f'[server]\nport = 0\ndata = "."\nstop_seconds = 1\n{server}\n{text}')
    return path


@contextmanager
def served(
    folder: Path, text: str = PAINTED, server: str = "", engine: Engine | None = None, **key: Any
) -> Iterator[Served]:
    """`engine` makes the results instead of the first one of the configuration."""
    with OwnServer(configuration.read(written(folder, text, server))) as running:
        if engine:
            running.engines.queues[0].engine = engine
        yield Served(running, **key)
