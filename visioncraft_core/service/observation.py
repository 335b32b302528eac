"""What is noted of each request: for the log and the metrics, never what was asked for."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger("visioncraft.service.requests")


@dataclass
class Observation:
    """One request. `endpoint` is a path of the API, "" for one that is none; `key` is the name of
    the account. `seconds` are all that it took, `waited` those of them in a queue."""

    id: str
    method: str
    endpoint: str
    key: str = ""
    engine: str = ""
    status: int = 0
    seconds: float = 0.0
    waited: float = 0.0


Observer = Callable[[Observation], None]


def write_log(seen: Observation) -> None:
    """One line of JSON a request."""
    rounded = {"seconds": round(seen.seconds, 4), "waited": round(seen.waited, 4)}
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    log.info(json.dumps({"time": when, **vars(seen), **rounded}))
