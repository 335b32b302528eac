"""What a ComfyUI offers under which names: what the API's requests leave open.

Files are named as ComfyUI lists them, with their folder: "sd15/anything_v5.safetensors".
Checkpoints and videos are in `checkpoints`, LoRAs in `loras`, and what moves GIFs in
`animatediff_models`, where ComfyUI has those custom nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..pictures import PictureOffers


@dataclass(frozen=True, kw_only=True)
class Upscaler:
    """An upscaling model, such as RealESRGAN_x4plus."""

    file: str  # in `upscale_models`
    scale: int = 4  # how many times as wide and high its results are


@dataclass(frozen=True, kw_only=True)
class ComfyUISettings(PictureOffers):
    """One ComfyUI."""

    url: str = "http://127.0.0.1:8188"
    upscaler: Upscaler | None = None
