"""What a ComfyUI offers under which names: what the API's requests leave open.

Files are named as ComfyUI lists them, with their folder: "sd15/anything_v5.safetensors".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A Stable Diffusion model, and what its author recommends for it.

    `steps` and `cfg` count where a request has none: /generate-xl, and `cfg` for /img2img. `size`
    is the width and height in pixels of what it draws where a request has none; a picture that it
    redraws is reduced to as many pixels.
    """

    file: str  # in `checkpoints`
    steps: int = 30
    cfg: float = 7.5  # of replicate's cog-sdxl, which stood behind /img2img
    size: tuple[int, int] = (512, 512)
    refiner: str = ""  # a second model's file in `checkpoints`, for XL; without one none is offered


@dataclass(frozen=True, kw_only=True)
class Upscaler:
    """An upscaling model, such as RealESRGAN_x4plus."""

    file: str  # in `upscale_models`
    scale: int = 4  # how many times as wide and high its results are


@dataclass(frozen=True, kw_only=True)
class VideoModel:
    """Stable Video Diffusion: 14 frames with svd, 25 with svd_xt.

    Videos have about as many pixels as `size`, in the proportions of the picture.
    """

    file: str  # in `checkpoints`
    frames: int = 14
    fps: int = 7  # frames a second
    steps: int = 20
    cfg: float = 2.5
    size: tuple[int, int] = (1024, 576)
    motion: int = 127  # 1 to 255; more moves more


@dataclass(frozen=True, kw_only=True)
class GifModel:
    """Draws GIFs: with AnimateDiff where `motion` names a file and ComfyUI has its nodes, else one
    still that the engine's VideoModel animates."""

    checkpoint: Checkpoint
    motion: str = ""  # in `animatediff_models`
    frames: int = 16  # with AnimateDiff
    fps: int = 8  # frames a second, with AnimateDiff


@dataclass(frozen=True, kw_only=True)
class ComfyUISettings:
    """One ComfyUI. What is left out is not offered.

    Mappings are from the API's names, in the order in which they are listed.
    """

    url: str = "http://127.0.0.1:8188"
    models: Mapping[str, Checkpoint] = field(default_factory=dict)
    loras: Mapping[str, str] = field(default_factory=dict)  # to files in `loras`
    models_xl: Mapping[str, Checkpoint] = field(default_factory=dict)
    img2img: Checkpoint | None = None
    upscaler: Upscaler | None = None
    video: VideoModel | None = None
    gif: GifModel | None = None
    negative_prompt: str = ""  # where a request has none
