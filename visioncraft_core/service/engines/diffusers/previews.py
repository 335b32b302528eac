"""Small pictures of unfinished results, without the costly decoder.

A latent's colour is nearly a linear function of its channels. Which one is learnt from the first
picture that a model has finished, so that no model needs a table.
"""

from __future__ import annotations

import io
from weakref import WeakKeyDictionary

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

_LONGEST = 256  # pixels a side


class Previews:
    """By decoder, for as long as it is in memory."""

    def __init__(self) -> None:
        self._colours: WeakKeyDictionary[nn.Module, Tensor] = WeakKeyDictionary()

    def learn(self, decoder: nn.Module, latents: Tensor, pictures: np.ndarray) -> None:
        """From latents (n, channels, h, w) and pictures (n, height, width, 3) of 0 to 1."""
        usable = latents.isfinite().all() and np.isfinite(pictures).all()
        if decoder in self._colours or not usable:
            return
        pixels = torch.from_numpy(pictures).movedim(3, 1)
        small = nn.functional.interpolate(pixels, latents.shape[2:], mode="area")
        rows = small.movedim(1, 3).reshape(-1, 3)
        self._colours[decoder] = torch.linalg.lstsq(_rows(latents), rows).solution

    def shown(self, decoder: nn.Module, latents: Tensor) -> bytes | None:
        """A JPEG file of the first one, None until it is known how."""
        if (colours := self._colours.get(decoder)) is None:
            return None
        _, _, height, width = latents.shape
        rgb = (_rows(latents[:1]) @ colours).clamp(0, 1).mul(255).byte()
        picture = Image.fromarray(rgb.reshape(height, width, 3).numpy())
        scale = max(1, _LONGEST // max(width, height))
        buffer = io.BytesIO()
        picture.resize((width * scale, height * scale)).save(buffer, "JPEG", quality=80)
        return buffer.getvalue()


def _rows(latents: Tensor) -> Tensor:
    """A row for each place: its channels and 1."""
    rows = latents.float().cpu().movedim(1, 3).reshape(-1, latents.shape[1])
    return torch.cat([rows, torch.ones(len(rows), 1)], dim=1)
