"""Hosts that stand in for ComfyUI, and how a node runs in one."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import torch
from support.pictures import gradient
from visioncraft.nodes import comfy


class Host(comfy.QuietHost):
    """A host whose default server is a running sandbox."""

    def __init__(self, url: str, heard: list[str] | None = None) -> None:
        self._url = url
        self.heard = [] if heard is None else heard

    def default_server(self) -> str:
        return self._url

    def progress_callback(self):
        return self.heard.append


def run(node: Any, **values: Any) -> Any:
    return asyncio.run(getattr(node(), node.FUNCTION)(**values))


class Interrupted(BaseException):
    """As ComfyUI's own exception since 0.20: not an Exception."""


def picture(width: int = 64, height: int = 48) -> torch.Tensor:
    return torch.from_numpy(gradient(width, height).astype(np.float32) / 255)[None]
