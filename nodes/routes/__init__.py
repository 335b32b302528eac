"""What the pages of the front end ask of this pack, below /visioncraft/ on ComfyUI's server."""

from __future__ import annotations

from functools import cache

from .. import comfy
from . import actions, catalogs, guard, profiles, results

ROUTES: tuple[guard.Route, ...] = (
    *profiles.ROUTES,
    *results.ROUTES,
    *catalogs.ROUTES,
    *actions.ROUTES,
)


@cache  # ComfyUI asks more than once for the nodes of a pack
def register() -> None:
    """Adds the routes to ComfyUI's server, where there is one. It must not have started yet."""
    server = comfy.prompt_server()
    if server is not None:
        guard.add(server.routes, ROUTES)
