"""Joins a Ray cluster. Ray reads these settings from the environment when it is imported, so they
come first; what is set there already stays."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..service.engine import Engine
from .engines import build
from .settings import EngineSettings

if TYPE_CHECKING:
    from .ray_engine import Cluster

ENVIRONMENT = {
    # It listens on every interface and runs what it is given, so nobody may ask it anything
    # without a token.
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",  # Ray Serve's performance guide: fewer threads
}


def join(address: str, build: Callable[[EngineSettings], Engine] = build) -> Cluster:
    """The cluster at `address`, else one of this computer. Needs Ray. Raises ConfigError."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from .ray_engine import Cluster

    return Cluster(address, build)
