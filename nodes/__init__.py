"""The nodes of this pack: ids never change, titles may.

They are loaded when one of the mappings is first used: the help of the command line needs none.
"""

from __future__ import annotations

from typing import Any

_MAPPINGS = ("NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS")

NODE_CLASS_MAPPINGS: dict[str, type]
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str]


def __getattr__(name: str) -> Any:
    if name not in _MAPPINGS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import catalog, chat, image, lora, save, server, video

    nodes = (
        *(*image.NODES, *video.NODES, *chat.NODES),
        *(lora.LoraStack, catalog.CatalogLoader, server.Server, save.SaveOriginal),
    )
    mappings = {node.ID: node for node in nodes}, {node.ID: node.TITLE for node in nodes}
    globals().update(zip(_MAPPINGS, mappings, strict=True))
    return globals()[name]
