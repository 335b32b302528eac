"""VisionCraft as a Python library and as a pack of nodes for ComfyUI.

A name is loaded when it is first used: a script waits for no node, ComfyUI's loader finds them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import visioncraft_core

if TYPE_CHECKING:
    from .nodes import NODE_CLASS_MAPPINGS as NODE_CLASS_MAPPINGS
    from .nodes import NODE_DISPLAY_NAME_MAPPINGS as NODE_DISPLAY_NAME_MAPPINGS
    from .visioncraft_core import *  # noqa: F403

WEB_DIRECTORY = "./web"  # ComfyUI serves it; web/docs holds the help pages

_OF_NODES = ("NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS")


def __getattr__(name: str) -> Any:
    if name in _OF_NODES:
        try:
            from . import nodes
            from .nodes.routes import register

            found = getattr(nodes, name)
        except AttributeError as error:  # ComfyUI would take it for a pack without nodes
            raise ImportError(str(error)) from error
        register()
        return found
    return getattr(visioncraft_core, name)


def __dir__() -> list[str]:
    return [*globals(), "__version__", *_OF_NODES, *dir(visioncraft_core)]
