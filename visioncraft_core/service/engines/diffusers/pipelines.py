"""The models in memory: loaded from files when they are needed, and kept as long as there is room.

Nothing is downloaded: single files are read with the configurations of `single_files`.
"""

# An extra without types of its own; where it is missing, this folder has its name.
# pyright: reportMissingImports=false, reportPrivateImportUsage=false
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

import gc
import inspect
import json
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import diffusers
import torch
import transformers
from diffusers import (
    AnimateDiffPipeline,
    EulerAncestralDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    StableVideoDiffusionPipeline,
)
from diffusers.models.modeling_utils import no_init_weights
from torch.overrides import TorchFunctionMode

from ...engine import GenerationFailed
from ..pictures import lacking
from . import single_files, video_files
from .previews import Previews
from .schedules import SigmaScheduler
from .settings import DiffusersSettings

log = logging.getLogger("visioncraft.service")

T = TypeVar("T")

_MIB = 2**20
_TILE = 512  # pixels a side of what is decoded at a time where memory is little
_KEPT = 0.6  # of a GPU's memory
_KEPT_MIB = 8192  # of other memory
_WAITING = 16 * 1024 * _MIB  # bytes of main memory for models that a GPU has too little for


class FullNoise(TorchFunctionMode):
    """Noise is drawn in full precision, whatever it is wanted in: the numbers of a seed depend on
    the precision, in torch 2.11 for one."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if func is torch.randn and (dtype := given.pop("dtype", None)):
            return func(*args, **given, dtype=torch.float32).to(dtype)
        return func(*args, **given)


class _Noisy:
    def prepare_latents(self, *given: Any, **more: Any) -> Any:
        with FullNoise():
            return cast(Any, super()).prepare_latents(*given, **more)


class _Guided(_Noisy):
    """Pipelines that honour a guidance below 1, where the negative prompt counts more."""

    @property
    def do_classifier_free_guidance(self: Any) -> bool:
        return self._guidance_scale != 1


class TextToImage(_Guided, StableDiffusionPipeline):
    pass


class TextToImageXL(_Guided, StableDiffusionXLPipeline):
    pass


class ImageToImage(_Guided, StableDiffusionImg2ImgPipeline):
    pass


class ImageToImageXL(_Guided, StableDiffusionXLImg2ImgPipeline):
    """Also the refiner, which goes on with what the base model has begun."""

    def get_timesteps(self, num_inference_steps: int, *others: Any, **more: Any) -> Any:
        if isinstance(self.scheduler, SigmaScheduler):  # it has but the steps that are wanted
            return self.scheduler.timesteps, len(self.scheduler.timesteps)
        return super().get_timesteps(num_inference_steps, *others, **more)


class Animation(_Guided, AnimateDiffPipeline):
    pass


class Video(_Noisy, StableVideoDiffusionPipeline):
    pass


class EulerAncestral(EulerAncestralDiscreteScheduler):
    """The only one of diffusers' own schedulers here that adds noise while it goes on."""

    @wraps(EulerAncestralDiscreteScheduler.step)  # pipelines look whether it takes a generator
    def step(self, *given: Any, **more: Any) -> Any:
        with FullNoise():
            return super().step(*given, **more)


class Models:
    """Those of a folder, on one device."""

    def __init__(self, settings: DiffusersSettings) -> None:
        for library in (diffusers, transformers):
            library.utils.logging.disable_progress_bar()
        self.device = _device(settings.device)
        self._folder = Path(settings.folder)
        self.dtype = torch.float32 if self.device.type == "cpu" else torch.float16
        limit = _KEPT_MIB * _MIB
        if self.device.type == "cuda":
            limit = int(_KEPT * torch.cuda.get_device_properties(self.device).total_memory)
        limit = settings.memory_mib * _MIB or limit
        self._limits = {"cpu": _WAITING, self.device.type: limit}  # bytes
        self.previews = Previews()
        self._kept: OrderedDict[tuple[str, ...], Any] = OrderedDict()
        self._sparing = False

    def checkpoint(self, file: str) -> Any:
        """A pipeline of Stable Diffusion 1.x, XL or the refiner, whose parts others can share."""
        return self._get(("checkpoint", file), lambda: self._loaded(file, self._from_file))

    def video(self, file: str) -> Any:
        """A pipeline of Stable Video Diffusion."""
        read = video_files.pipeline
        return self._get(
            ("video", file), lambda: self._loaded(file, lambda path: read(path, self.dtype))
        )

    def animation(self, file: str, motion: str) -> Any:
        """AnimateDiff with a checkpoint of Stable Diffusion 1.x."""

        def load() -> Any:
            base = self.checkpoint(file)
            adapter = single_files.motion_adapter(self._path(motion), self.dtype)
            shared = {name: base.components[name] for name in ("vae", "text_encoder", "tokenizer")}
            with self._empty():
                unet: Any = diffusers.UNetMotionModel.from_unet2d(base.unet, adapter)
            more: Any = {"motion_adapter": None, "scheduler": base.scheduler}
            return self._placed(Animation(**shared, unet=unet, **more))

        return self._get(("animation", file, motion), load)

    @contextmanager
    def _empty(self) -> Iterator[None]:
        """Networks that are made here have no numbers yet, but their place and precision."""
        usual = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)
        try:
            with torch.device("cpu") if self._sparing else self.device, no_init_weights():
                yield
        finally:
            torch.set_default_dtype(usual)

    def lora(self, file: str) -> Path:
        return self._path(file)

    @contextmanager
    def sparing(self) -> Iterator[None]:
        """What is loaded meanwhile takes little of the device's memory, and more time: its parts
        wait in main memory until it is their turn."""
        self._sparing = True
        try:
            yield
        finally:
            self._sparing = False

    def clear(self) -> None:
        self._kept.clear()
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @property
    def kept(self) -> list[tuple[str, ...]]:
        """The latest last."""
        return list(self._kept)

    def _get(self, key: tuple[str, ...], load: Callable[[], T]) -> T:
        if key not in self._kept:
            self._kept[key] = load()
            self._make_room()
        self._kept.move_to_end(key)
        return self._kept[key]

    def _make_room(self) -> None:
        """The models that were not used for longest go; the newest stays."""
        evicted = False
        while len(self._kept) > 1 and self._crowded():
            self._kept.popitem(last=False)
            evicted = True
        if evicted:
            gc.collect()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _crowded(self) -> bool:
        taken = _bytes(self._kept.values())
        return any(taken[place] > limit for place, limit in self._limits.items())

    def _path(self, file: str) -> Path:
        path = self._folder / file
        if not path.exists():
            log.error("%s is missing.", path)
            raise lacking()
        return path

    def _loaded(self, file: str, from_file: Callable[[Path], Any]) -> Any:
        path = self._path(file)
        pipe = self._from_folder(path) if path.is_dir() else from_file(path)
        if isinstance(pipe.vae, diffusers.AutoencoderKL):
            pipe.vae.enable_slicing()  # one picture at a time, which costs nothing
        return self._placed(pipe)

    def _placed(self, pipe: Any) -> Any:
        if not self._sparing:
            return pipe.to(self.device)
        if isinstance(pipe.vae, diffusers.AutoencoderKL):
            pipe.vae.enable_tiling()
            levels = len(pipe.vae.config.block_out_channels) - 1
            pipe.vae.tile_sample_min_size = _TILE
            pipe.vae.tile_latent_min_size = _TILE // 2**levels
        if self.device.type == "cpu":  # all of it is in main memory
            return pipe
        log.warning("A model is kept in main memory, as the device has too little.")
        pipe.enable_model_cpu_offload(device=self.device)
        return pipe

    def _from_file(self, path: Path) -> Any:
        kind, config = single_files.configuration(path)
        return _CLASSES[kind].from_single_file(
            str(path), config=str(config), local_files_only=True, dtype=self.dtype
        )

    def _from_folder(self, path: Path) -> Any:
        index = json.loads((path / "model_index.json").read_text("utf-8"))
        plain = list(path.glob("unet/*model.safetensors"))
        half = None if plain else "fp16"  # as many authors save it
        options = {"safety_checker": None} if "safety_checker" in index else {}
        return getattr(diffusers, index["_class_name"]).from_pretrained(
            str(path),
            local_files_only=True,
            use_safetensors=True,
            dtype=self.dtype,
            variant=half,
            **options,
        )


def derived(kind: Callable[..., Any], pipe: Any, scheduler: Any) -> Any:
    """A pipeline of another kind with the same parts, which takes next to no memory.

    Raises GenerationFailed where the model is quite another one, such as XL for 1.x.
    """
    known = inspect.signature(kind).parameters
    if _sign(known) != _sign([name for name, part in pipe.components.items() if part is not None]):
        raise single_files.unusable(pipe.name_or_path)
    parts = {name: part for name, part in pipe.components.items() if name in known}
    options = {
        "requires_safety_checker": False,
        "add_watermarker": False,
        "requires_aesthetics_score": pipe.config.get("requires_aesthetics_score", False),
    }
    options = {name: value for name, value in options.items() if name in known}
    made = kind(**{**parts, **options, "scheduler": pipe.scheduler})
    made.scheduler = scheduler
    for name in ("_offload_gpu_id", "_offload_device", "_all_hooks"):  # of parts in main memory
        if hasattr(pipe, name):
            setattr(made, name, getattr(pipe, name))
    made.set_progress_bar_config(disable=True)
    return made


def _sign(parts: Container[str]) -> str:
    """The part by which models of XL, 1.x and Stable Video Diffusion are told apart."""
    signs = ("text_encoder_2", "text_encoder", "image_encoder")
    return next((sign for sign in signs if sign in parts), "")


def is_xl(pipe: Any) -> bool:
    return getattr(pipe, "text_encoder_2", None) is not None


def stock(kind: Any, config: Any, **flags: Any) -> Any:
    """A scheduler of diffusers with the settings of a model, some of them changed.

    Raises TypeError for a flag that it does not know: diffusers would leave it out silently.
    """
    if unknown := set(flags) - set(inspect.signature(kind).parameters):
        raise TypeError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    return kind.from_config(config, **flags)


_CLASSES = {
    "sd": StableDiffusionPipeline,
    "xl": StableDiffusionXLPipeline,
    "refiner": StableDiffusionXLImg2ImgPipeline,
}


def _device(name: str) -> torch.device:
    """Raises GenerationFailed where there is none of that name."""
    if name != "auto":
        try:
            return torch.empty(0, device=name).device
        except (AssertionError, RuntimeError):
            log.error("This computer has no device %s that torch can use.", name)
            raise GenerationFailed(
                "The engine of this server cannot draw. Tell whoever runs the server."
            ) from None
    if torch.cuda.is_available():
        return torch.device("cuda:0")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _bytes(pipelines: Any) -> Counter[str]:
    """What their parameters take, by the type of the device; those that are shared count once."""
    parts = (part for pipe in pipelines for part in pipe.components.values())
    modules = (part for part in parts if isinstance(part, torch.nn.Module))
    tensors = {each.data_ptr(): each for module in modules for each in module.parameters()}
    taken = Counter[str]()
    for each in tensors.values():
        taken[each.device.type] += each.nbytes
    return taken
