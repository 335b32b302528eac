"""The nodes of this pack: ids never change, titles may."""

from . import chat, image, video
from .catalog import CatalogLoader
from .lora import LoraStack
from .save import SaveOriginal
from .server import Server

NODES = (
    *image.NODES,
    *video.NODES,
    *chat.NODES,
    LoraStack,
    CatalogLoader,
    Server,
    SaveOriginal,
)

NODE_CLASS_MAPPINGS = {node.ID: node for node in NODES}
NODE_DISPLAY_NAME_MAPPINGS = {node.ID: node.TITLE for node in NODES}
