"""Requests to finished files: which pipeline draws what, with which settings."""

# An extra without types of its own; where it is missing, this folder has its name.
# pyright: reportMissingImports=false, reportPrivateImportUsage=false
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image, ImageOps

from ....api import endpoints as api
from ....api.fields import Request
from ...engine import GenerationFailed, InputRejected, Job, OutOfMemory
from ...pixels import gif, mp4, open_upload, png
from ..pictures import (
    BAD,
    BASE_SHARE,
    GOOD,
    REFINED,
    Checkpoint,
    GifModel,
    VideoModel,
    ensemble,
    fit,
    found,
    multiples,
    reduced,
    xl_model,
)
from ..samplers import BASE_IMAGE, ENSEMBLE, SAMPLERS
from . import pipelines, single_files
from .pipelines import Models, derived, is_xl, stock
from .prompts import encoded
from .schedules import Schedule, SigmaScheduler
from .settings import DiffusersSettings

log = logging.getLogger("visioncraft.service")

# As cog-sdxl, which stood behind /img2img.
IMAGE_SCHEDULERS: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "DDIM": (diffusers.DDIMScheduler, {}),
    "DPMSolverMultistep": (diffusers.DPMSolverMultistepScheduler, {}),
    "HeunDiscrete": (diffusers.HeunDiscreteScheduler, {}),
    "KarrasDPM": (diffusers.DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
    "K_EULER_ANCESTRAL": (pipelines.EulerAncestral, {}),
    "K_EULER": (diffusers.EulerDiscreteScheduler, {}),
    "PNDM": (diffusers.PNDMScheduler, {"skip_prk_steps": True}),
}
_PLMS = {"skip_prk_steps": True, "timestep_spacing": "leading", "steps_offset": 1}
_TO_THE_END = 1e-9  # a denoising_start that is before the first step: the picture has its noise
_CHUNK = 4  # frames that are decoded at a time


class Cancelled(Exception):
    """Nobody waits for the result any more."""


@dataclass
class _Stage:
    """One run of a pipeline, and how many steps it will tell of."""

    pipe: Any
    steps: int
    arguments: dict[str, Any] = field(default_factory=dict)


class Drawing:
    """Draws with the models of an engine, one request at a time."""

    def __init__(self, settings: DiffusersSettings) -> None:
        self._offers = settings
        self.models = Models(settings)

    def files(
        self, request: Request, job: Job, cancelled: Callable[[], bool] = lambda: False
    ) -> tuple[bytes, ...]:
        """Raises Cancelled at the end of a step, InputRejected, OutOfMemory, GenerationFailed.

        Where memory runs out, everything else is evicted for a second try, which takes less of it.
        """
        if getattr(request, "negative_prompt", None) == "":
            changed: Any = {"negative_prompt": self._offers.negative_prompt}
            request = replace(request, **changed)
        once = _Once(self._offers, self.models, job, cancelled)
        for memory in (nullcontext(), self.models.sparing()):
            try:
                with memory:
                    return once.files(request)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _out_of_memory(error):
                    raise
            self.models.clear()  # outside of the handler, whose traceback holds what it had
        raise OutOfMemory(
            "The server has too little memory for this. Ask for a smaller picture, or for fewer "
            "at once."
        )


class _Once:
    """One request."""

    def __init__(
        self, offers: DiffusersSettings, models: Models, job: Job, cancelled: Callable[[], bool]
    ) -> None:
        self._offers, self._models = offers, models
        self._job, self._cancelled = job, cancelled

    def files(self, request: Request) -> tuple[bytes, ...]:
        offers = self._offers
        with torch.no_grad():
            if isinstance(request, api.Generate):
                return self._generate(request)
            if isinstance(request, api.GenerateXL):
                return self._generate_xl(request)
            if isinstance(request, api.ImageToImage) and offers.img2img:
                return self._image_to_image(request, offers.img2img)
            if isinstance(request, api.GenerateGif) and offers.gif:
                return self._generate_gif(request, offers.gif)
            if isinstance(request, api.ImageToVideo) and offers.video:
                given = open_upload("image", request.image)
                return (mp4(self._animate(given, offers.video), offers.video.fps),)
        raise GenerationFailed("This engine has no model for that. Ask for something else.")

    def _generate(self, request: api.Generate) -> tuple[bytes, ...]:
        model = found(self._offers.models, "model", request.model)
        loras = {
            name: (found(self._offers.loras, "loras", name), weight)
            for name, weight in request.loras.items()
            if weight
        }
        return tuple(png(p) for p in self._drawn(request, model, request.image_count, loras))

    def _drawn(
        self,
        request: api.Generate | api.GenerateGif,
        model: Checkpoint,
        count: int = 1,
        loras: Mapping[str, tuple[str, float]] | None = None,
    ) -> list[Image.Image]:
        base = self._models.checkpoint(model.file)
        scheduler, steps = _a1111(base, request.sampler, request.steps)
        pipe = derived(pipelines.TextToImage, base, scheduler)
        with self._with_loras(pipe, loras or {}):
            arguments = {
                **encoded(pipe, request.prompt, request.negative_prompt),
                **_size(model.size),
                "guidance_scale": float(request.cfg_scale),
                "num_inference_steps": request.steps,
                "num_images_per_prompt": count,
                "generator": self._generators(count),
            }
            return _pictures(self._run([_Stage(pipe, steps, arguments)]).images)

    def _generate_xl(self, request: api.GenerateXL) -> tuple[bytes, ...]:
        model = xl_model(self._offers, request)
        base = self._models.checkpoint(model.file)
        steps, _, switch = ensemble(model.steps) if request.refiner else (model.steps, 0, 0)
        schedule = _schedule(base)
        sampler = request.sampler.lower()
        sigmas = schedule.sigmas(request.scheduler.lower(), sampler, steps)
        common = {"guidance_scale": model.cfg, "num_inference_steps": steps}
        common["generator"] = self._generators(1)

        def stage(kind: Any, pipe: Any, sigmas: Sequence[float], **more: Any) -> _Stage:
            made = derived(kind, pipe, _sigma_scheduler(pipe, sampler, sigmas, schedule))
            prompts = encoded(made, request.prompt, request.negative_prompt)
            return _Stage(made, _count(made, steps), {**prompts, **common, **more})

        size = multiples(request.width, request.height)
        first = sigmas[: switch + 1] if request.refiner else sigmas
        stages = [stage(pipelines.TextToImageXL, base, first, **_size(size))]
        if request.refiner:
            refiner = self._models.checkpoint(model.refiner)
            more = {"denoising_start": _TO_THE_END, **_SCORES}
            stages.append(stage(pipelines.ImageToImageXL, refiner, sigmas[switch:], **more))
        picture = _pictures(self._run(stages).images)[0]
        return (png(picture.crop((0, 0, request.width, request.height))),)

    def _image_to_image(self, request: api.ImageToImage, model: Checkpoint) -> tuple[bytes, ...]:
        given = open_upload("image", request.image)
        if request.strength == 0:
            return (png(given),)
        size = reduced(given.size, model.size)
        picture = ImageOps.fit(given.convert("RGB"), size)
        kind, flags = found(IMAGE_SCHEDULERS, "scheduler", request.scheduler)
        refiner = request.refiner.lower() if model.refiner else ""

        def stage(file: str, steps: int, strength: float, **more: Any) -> _Stage:
            pipe = self._models.checkpoint(file)
            into = pipelines.ImageToImageXL if is_xl(pipe) else pipelines.ImageToImage
            made = derived(into, pipe, stock(kind, pipe.scheduler.config, **flags))
            steps = max(steps, 2 if refiner == ENSEMBLE else 1)
            arguments = {
                **encoded(made, request.prompt, request.negative_prompt),
                "guidance_scale": model.cfg,
                "num_inference_steps": steps,
                # At least one step; a little more, as diffusers rounds down.
                "strength": min(1.0, max(strength, 1 / steps) + 1e-6),
                "generator": self._generators(1),
                **more,
            }
            return _Stage(made, _count(made, steps, arguments), arguments)

        if refiner == ENSEMBLE and 1 - request.strength < BASE_SHARE:
            end = {"denoising_end": BASE_SHARE}
            start = {"denoising_start": BASE_SHARE, **_SCORES}
            stages = [
                stage(model.file, request.steps, request.strength, **end),
                stage(model.refiner, request.steps, 1.0, **start),
            ]
        elif refiner == ENSEMBLE:  # the refiner has all the steps that are left
            stages = [stage(model.refiner, request.steps, request.strength, **_SCORES)]
        else:
            stages = [stage(model.file, request.steps, request.strength)]
            if refiner == BASE_IMAGE:
                stages.append(stage(model.refiner, request.steps, REFINED, **_SCORES))
        stages[0].arguments["image"] = picture
        return tuple(png(each) for each in _pictures(self._run(stages).images))

    def _generate_gif(self, request: api.GenerateGif, model: GifModel) -> tuple[bytes, ...]:
        if model.motion:
            frames, fps = self._moving(request, model), model.fps
        elif video := self._offers.video:
            (still,) = self._drawn(request, model.checkpoint)
            frames, fps = self._animate(still, video), video.fps
        else:
            raise GenerationFailed("This engine has no model for that. Ask for something else.")
        return (gif(frames, round(1000 / fps)),)

    def _moving(self, request: api.GenerateGif, model: GifModel) -> list[Image.Image]:
        base = self._models.animation(model.checkpoint.file, model.motion)
        # The motion modules were trained with another schedule than the checkpoints.
        betas = torch.linspace(0.00085, 0.012, 1000, dtype=torch.float64)
        schedule = Schedule(torch.cumprod(1 - betas, 0))
        scheduler, steps = _a1111(base, request.sampler, request.steps, schedule)
        pipe = derived(pipelines.Animation, base, scheduler)
        if model.frames > (longest := base.unet.config.motion_max_seq_length):
            log.warning("%s moves at most %s frames, not %s.", model.motion, longest, model.frames)
        arguments = {
            **encoded(pipe, request.prompt, request.negative_prompt),
            **_size(model.checkpoint.size),
            "guidance_scale": float(request.cfg_scale),
            "num_inference_steps": request.steps,
            "num_frames": min(model.frames, longest),
            "generator": self._generators(1),
            "decode_chunk_size": _CHUNK,
        }
        return _pictures(self._run([_Stage(pipe, steps, arguments)]).frames[0])

    def _animate(self, given: Image.Image, model: VideoModel) -> list[Image.Image]:
        size = fit(given.size, model.size, 64)
        base = self._models.video(model.file)
        pipe = derived(pipelines.Video, base, base.scheduler)
        arguments = {
            **_size(size),
            "image": ImageOps.fit(given.convert("RGB"), size),
            "num_frames": model.frames,
            "num_inference_steps": model.steps,
            "max_guidance_scale": model.cfg,
            "fps": model.fps,
            "motion_bucket_id": model.motion,
            "noise_aug_strength": 0.0,
            "decode_chunk_size": _CHUNK,
            "generator": self._generators(1)[0],
        }
        steps = _count(pipe, model.steps)
        return _pictures(self._run([_Stage(pipe, steps, arguments)]).frames[0])

    def _run(self, stages: Sequence[_Stage]) -> Any:
        """What the last one gives; each of the others gives the next one its latents."""
        total, before = sum(stage.steps for stage in stages), 0
        made: Any = None
        for stage in stages:
            if made is not None:
                stage.arguments["image"] = made.images
            last = stage is stages[-1]

            def told(
                pipe: Any, step: int, _: Any, values: Any, before: int = before, stage: Any = stage
            ) -> Any:
                if self._cancelled():
                    raise Cancelled
                done = before + step + 1
                self._job.progress(done, max(done, total))
                latents = _latents(stage)
                previews = self._models.previews
                if latents is not None and (seen := previews.shown(pipe.vae, latents)):
                    self._job.preview(seen)
                return values

            if self._cancelled():
                raise Cancelled
            try:
                made = stage.pipe(
                    **stage.arguments,
                    output_type="np" if last else "latent",
                    callback_on_step_end=told,
                )
            except Cancelled:
                stage.pipe.maybe_free_model_hooks()  # as at its end
                raise
            before += stage.steps
        if (latents := _latents(stages[-1])) is not None:
            self._models.previews.learn(stages[-1].pipe.vae, latents, made.images)
        return made

    @contextmanager
    def _with_loras(self, pipe: Any, loras: Mapping[str, tuple[str, float]]) -> Any:
        try:
            names = []
            for name, (file, weight) in loras.items():
                path = self._models.lora(file)
                width = single_files.lora_width(path)
                if width not in (None, pipe.unet.config.cross_attention_dim):
                    raise InputRejected("loras", f"has {name[:60]}, which is for other models")
                # Names of files may hold dots, which these must not.
                names.append((f"l{len(names)}", weight))
                pipe.load_lora_weights(
                    str(path.parent), weight_name=path.name, adapter_name=names[-1][0]
                )
            if names:
                pipe.set_adapters(*map(list, zip(*names, strict=True)))
            yield
        finally:
            if loras:
                pipe.unload_lora_weights()

    def _generators(self, count: int) -> list[torch.Generator]:
        """One for each picture, on the CPU: a seed gives the same everywhere."""
        return [torch.Generator().manual_seed((self._job.seed + n) % 2**64) for n in range(count)]


_SCORES = {"aesthetic_score": GOOD, "negative_aesthetic_score": BAD}


def _a1111(pipe: Any, name: str, steps: int, schedule: Schedule | None = None) -> tuple[Any, int]:
    """A scheduler by the API's names for Stable Diffusion 1.x, and how many steps it tells of."""
    sampling = found(SAMPLERS, "sampler", name)
    if sampling.sampler == "ipndm":  # PLMS is diffusers' own
        scheduler = stock(diffusers.PNDMScheduler, pipe.scheduler.config, **_PLMS)
    else:
        schedule = schedule or _schedule(pipe)
        sigmas = schedule.sigmas(sampling.scheduler, sampling.sampler, steps)
        scheduler = _sigma_scheduler(pipe, sampling.sampler, sigmas, schedule)
    scheduler.set_timesteps(steps)
    return scheduler, len(scheduler.timesteps)


def _schedule(pipe: Any) -> Schedule:
    return Schedule(pipe.scheduler.alphas_cumprod)


def _sigma_scheduler(
    pipe: Any, sampler: str, sigmas: Sequence[float], schedule: Schedule
) -> SigmaScheduler:
    return SigmaScheduler(sampler, sigmas, schedule, pipe.scheduler.config.prediction_type)


def _count(pipe: Any, steps: int, arguments: Mapping[str, Any] | None = None) -> int:
    """How many steps a pipeline will tell of."""
    pipe.scheduler.set_timesteps(steps)
    given = arguments or {}
    timesteps = pipe.scheduler.timesteps
    if "strength" in given:
        start = {"denoising_start": given["denoising_start"]} if "denoising_start" in given else {}
        timesteps, _ = pipe.get_timesteps(steps, given["strength"], None, **start)
    if end := given.get("denoising_end"):
        count = pipe.scheduler.config.num_train_timesteps
        return int((timesteps >= round(count - end * count)).sum())
    return len(timesteps)


def _latents(stage: _Stage) -> torch.Tensor | None:
    """The latest guess of the result, where there is one of a picture."""
    denoised = getattr(stage.pipe.scheduler, "denoised", None)
    return denoised if denoised is not None and denoised.ndim == 4 else None


def _size(size: tuple[int, int]) -> dict[str, int]:
    return {"width": size[0], "height": size[1]}


def _pictures(made: np.ndarray) -> list[Image.Image]:
    """Raises GenerationFailed for what is no picture."""
    for each in made:
        if not np.isfinite(each).all() or np.ptp(each) == 0:
            log.error("A model made numbers that are no picture.")
            raise GenerationFailed(
                "The generation gave no picture. Ask again with another sampler or fewer LoRAs."
            )
    return [Image.fromarray((each * 255).round().astype(np.uint8)) for each in made]


def _out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    # Of the CPU, where files are mapped, of Windows, of GPUs, and of libraries of NVIDIA's.
    signs = ("can't allocate", "cannot allocate", "not enough memory", "out of memory")
    signs += ("alloc_failed",)
    return any(sign in str(error).lower() for sign in signs)
