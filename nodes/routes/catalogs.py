"""Routes of the lists in menus."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from ...visioncraft_core.api.catalogs import Catalogs
from ...visioncraft_core.api.endpoints import CATALOGS
from ...visioncraft_core.errors import ConnectionFailed
from ..base import client_of
from .guard import Refused, Route

_refreshing = threading.Lock()  # pages that open together: the second finds what the first fetched


def refresh(home: Path, body: dict[str, Any]) -> dict[str, Any]:
    """Fetches the lists of the default server that are older than `max_age` seconds, 0 without one.

    Gives the server's name, how many of the ten lists are others now, and why one did not come.
    The lists of the built-in sandbox never change, and it is not started for them.
    """
    max_age = body.get("max_age", 0)
    if not isinstance(max_age, int | float) or isinstance(max_age, bool):
        raise Refused("max_age is not a number.", "Send seconds.")
    client, _ = client_of("", for_list=True)
    answer: dict[str, Any] = {"server": client.describe(), "changed": 0, "error": ""}
    if client.profile.embedded:
        return answer
    known = Catalogs(home, client.profile.base_url)
    with client, _refreshing:
        for name in CATALOGS:
            before = known.last(name)
            if time.time() - before.seen < max_age:
                continue
            now = client.catalog(name, stale_if_error=True)
            answer["changed"] += now.names != before.names
            answer["error"] = str(now.error) if now.error else answer["error"]
            if isinstance(now.error, ConnectionFailed):  # the others would wait for the same
                break
    return answer


ROUTES: tuple[Route, ...] = (("POST", "catalogs/refresh", refresh),)
