"""Requests to ComfyUI's graphs, as POST /prompt takes them. Knows no server and no file on disk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from ....api import endpoints as api
from ..pictures import (
    BAD,
    GOOD,
    REFINED,
    Checkpoint,
    GifModel,
    VideoModel,
    ensemble,
    fit,
    multiples,
    part,
)
from ..samplers import BASE_IMAGE, ENSEMBLE, Sampling
from .settings import Upscaler

Link = list[Any]  # the id of a node and the number of its output
CHECKPOINT, VIDEO_CHECKPOINT = "CheckpointLoaderSimple", "ImageOnlyCheckpointLoader"
UPSCALER = "UpscaleModelLoader"
ANIMATEDIFF = "ADE_AnimateDiffLoaderGen1"  # of the custom nodes ComfyUI-AnimateDiff-Evolved

_TO_THE_END = 10000
_CONTEXT = 16  # frames that AnimateDiff's motion models were trained with


@dataclass
class Graph:
    """Nodes by id, as ComfyUI's "API format" has them.

    `steps` are those of the nodes that tell their progress; `result` is the node that keeps the
    pictures.
    """

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    result: str = ""

    def add(self, class_type: str, **inputs: Any) -> str:
        name = str(len(self.nodes) + 1)
        self.nodes[name] = {"class_type": class_type, "inputs": inputs}
        return name

    def checkpoints(self) -> list[dict[str, Any]]:
        """The nodes that load them."""
        kinds = (CHECKPOINT, VIDEO_CHECKPOINT)
        return [node for node in self.nodes.values() if node["class_type"] in kinds]

    def keep(self, pictures: Link) -> Graph:
        # ComfyUI would answer the same graph with the files of the last time, which are emptied
        # by now. An input that the node does not have makes it another graph.
        self.result = self.add("PreviewImage", images=pictures, request=uuid4().hex)
        return self


@dataclass(frozen=True)
class _Loaded:
    """A checkpoint in a graph and the two prompts in its words."""

    model: Link
    vae: Link
    positive: Link
    negative: Link


def generate(
    request: api.Generate,
    model: Checkpoint,
    loras: Mapping[str, float],
    sampling: Sampling,
    seed: int,
) -> Graph:
    """`loras` are weights by file."""
    graph = Graph()
    loaded = _load(graph, model.file, request, loras)
    latent = _empty(graph, model.size, request.image_count)
    drawn = _sample(
        graph, loaded, latent, sampling, seed, steps=request.steps, cfg=request.cfg_scale
    )
    return graph.keep(_decode(graph, drawn, loaded.vae))


def generate_xl(request: api.GenerateXL, model: Checkpoint, seed: int) -> Graph:
    """The picture is up to seven pixels wider and higher than asked for: multiples of eight."""
    graph = Graph()
    size = multiples(request.width, request.height)
    loaded = _load(graph, model.file, request)
    latent, vae = _empty(graph, size, 1), loaded.vae
    sampling = Sampling(request.sampler, request.scheduler)
    if request.refiner:
        refiner = _load_refiner(graph, model.refiner, request, size)
        drawn = _ensemble(
            graph, loaded, refiner, latent, sampling, seed, ensemble(model.steps), model.cfg
        )
        vae = refiner.vae
    else:
        drawn = _sample(graph, loaded, latent, sampling, seed, steps=model.steps, cfg=model.cfg)
    return graph.keep(_decode(graph, drawn, vae))


def image_to_image(
    request: api.ImageToImage,
    model: Checkpoint,
    sampling: Sampling,
    seed: int,
    upload: str,
    size: tuple[int, int],
) -> Graph:
    """`upload` is a picture of this size that ComfyUI has; `strength` is not 0.

    As in diffusers, `strength` is the share of the steps that are done. KSampler's `denoise` does
    all its steps on the last part of the schedule.
    """
    graph = Graph()
    loaded = _load(graph, model.file, request)
    picture = graph.add("LoadImage", image=upload)
    latent = [graph.add("VAEEncode", pixels=[picture, 0], vae=loaded.vae), 0]
    vae = loaded.vae
    if request.refiner == ENSEMBLE:
        refiner = _load_refiner(graph, model.refiner, request, size)
        vae = refiner.vae
        shares = ensemble(request.steps, request.strength)
        drawn = _ensemble(graph, loaded, refiner, latent, sampling, seed, shares, model.cfg)
    else:
        redrawn = {"steps": part(request.steps, request.strength), "denoise": request.strength}
        drawn = _sample(graph, loaded, latent, sampling, seed, cfg=model.cfg, **redrawn)
        if request.refiner == BASE_IMAGE:
            refiner = _load_refiner(graph, model.refiner, request, size)
            vae = refiner.vae
            redrawn = {"steps": part(request.steps, REFINED), "denoise": REFINED}
            drawn = _sample(graph, refiner, drawn, sampling, seed, cfg=model.cfg, **redrawn)
    return graph.keep(_decode(graph, drawn, vae))


def upscale(model: Upscaler, upload: str) -> Graph:
    graph = Graph()
    picture = graph.add("LoadImage", image=upload)
    loader = graph.add(UPSCALER, model_name=model.file)
    larger = graph.add("ImageUpscaleWithModel", upscale_model=[loader, 0], image=[picture, 0])
    graph.steps[larger] = 100  # it tells its tiles, whose number is not known before
    return graph.keep([larger, 0])


def image_to_video(model: VideoModel, seed: int, upload: str, size: tuple[int, int]) -> Graph:
    """The frames of a video of this size, its sides multiples of eight."""
    graph = Graph()
    picture = graph.add("LoadImage", image=upload)
    return graph.keep(_animate(graph, model, seed, [picture, 0], size))


def gif_from_still(
    request: api.GenerateGif, gif: GifModel, video: VideoModel, sampling: Sampling, seed: int
) -> Graph:
    """The frames of an animation that begins with a still of the GIF's checkpoint."""
    graph = Graph()
    checkpoint = gif.checkpoint
    loaded = _load(graph, checkpoint.file, request)
    latent = _empty(graph, checkpoint.size, 1)
    drawn = _sample(
        graph, loaded, latent, sampling, seed, steps=request.steps, cfg=request.cfg_scale
    )
    still = _decode(graph, drawn, loaded.vae)
    return graph.keep(_animate(graph, video, seed, still, fit(checkpoint.size, video.size, 64)))


def gif_with_animatediff(
    request: api.GenerateGif, gif: GifModel, sampling: Sampling, seed: int
) -> Graph:
    """The frames of an animation that a motion model draws."""
    graph = Graph()
    checkpoint = gif.checkpoint
    loaded = _load(graph, checkpoint.file, request)
    motion: dict[str, Any] = {"model_name": gif.motion, "beta_schedule": "autoselect"}
    if gif.frames > _CONTEXT:
        window = {"context_length": _CONTEXT, "context_stride": 1, "context_overlap": 4}
        options = graph.add("ADE_LoopedUniformContextOptions", **window, closed_loop=True)
        motion["context_options"] = [options, 0]
    moving = graph.add(ANIMATEDIFF, model=loaded.model, **motion)
    loaded = _Loaded([moving, 0], loaded.vae, loaded.positive, loaded.negative)
    latent = _empty(graph, checkpoint.size, gif.frames)
    drawn = _sample(
        graph, loaded, latent, sampling, seed, steps=request.steps, cfg=request.cfg_scale
    )
    return graph.keep(_decode(graph, drawn, loaded.vae))


def weights_in_parentheses(prompt: str) -> str:
    """Writes the API's [less] as (less:0.91), as ComfyUI reads parentheses only.

    Brackets with | or : are schedules of prompts, which have no counterpart; they stay.
    """
    return re.sub(r"(?<!\\)\[([^\[\]|:\\()]+)\]", r"(\1:0.91)", prompt)


def _load(
    graph: Graph,
    file: str,
    request: api.Generate | api.GenerateXL | api.ImageToImage | api.GenerateGif,
    loras: Mapping[str, float] | None = None,
) -> _Loaded:
    loader = graph.add(CHECKPOINT, ckpt_name=file)
    model, clip = [loader, 0], [loader, 1]
    for name, weight in (loras or {}).items():
        strengths = {"strength_model": float(weight), "strength_clip": float(weight)}
        patched = graph.add("LoraLoader", model=model, clip=clip, lora_name=name, **strengths)
        model, clip = [patched, 0], [patched, 1]
    texts = (weights_in_parentheses(text) for text in (request.prompt, request.negative_prompt))
    prompts = ([graph.add("CLIPTextEncode", clip=clip, text=text), 0] for text in texts)
    return _Loaded(model, [loader, 2], *prompts)


def _load_refiner(
    graph: Graph, file: str, request: api.GenerateXL | api.ImageToImage, size: tuple[int, int]
) -> _Loaded:
    loader = graph.add(CHECKPOINT, ckpt_name=file)
    texts = (request.prompt, GOOD), (request.negative_prompt, BAD)
    shared = {"clip": [loader, 1], "width": size[0], "height": size[1]}
    prompts = (
        graph.add(
            "CLIPTextEncodeSDXLRefiner", ascore=score, text=weights_in_parentheses(text), **shared
        )
        for text, score in texts
    )
    return _Loaded([loader, 0], [loader, 2], *([each, 0] for each in prompts))


def _empty(graph: Graph, size: tuple[int, int], count: int) -> Link:
    sides = {"width": size[0], "height": size[1]}
    return [graph.add("EmptyLatentImage", **sides, batch_size=count), 0]


def _sample(
    graph: Graph,
    loaded: _Loaded,
    latent: Link,
    sampling: Sampling,
    seed: int,
    *,
    steps: int,
    cfg: float,
    denoise: float = 1.0,
) -> Link:
    numbers = {"seed": seed, "steps": steps, "cfg": float(cfg), "denoise": denoise}
    sampler = graph.add("KSampler", **_sampled(loaded, sampling), latent_image=latent, **numbers)
    graph.steps[sampler] = steps
    return [sampler, 0]


def _ensemble(
    graph: Graph,
    base: _Loaded,
    refiner: _Loaded,
    latent: Link,
    sampling: Sampling,
    seed: int,
    shares: tuple[int, int, int],
    cfg: float,
) -> Link:
    """The base does the first steps, the refiner the last ones; see ensemble."""
    steps, first, switch = shares
    numbers = {"noise_seed": seed, "steps": steps, "cfg": float(cfg)}
    parts = [(base, first, switch), (refiner, switch, _TO_THE_END)]
    if first >= switch:
        parts = [(refiner, first, _TO_THE_END)]
    for number, (loaded, start, end) in enumerate(parts):
        sampler = graph.add(
            "KSamplerAdvanced",
            **_sampled(loaded, sampling),
            latent_image=latent,
            **numbers,
            add_noise="disable" if number else "enable",
            start_at_step=start,
            end_at_step=end,
            return_with_leftover_noise="disable" if loaded is refiner else "enable",
        )
        graph.steps[sampler] = min(end, steps) - start
        latent = [sampler, 0]
    return latent


def _sampled(loaded: _Loaded, sampling: Sampling) -> dict[str, Any]:
    return {
        "model": loaded.model,
        "positive": loaded.positive,
        "negative": loaded.negative,
        "sampler_name": sampling.sampler,
        "scheduler": sampling.scheduler,
    }


def _decode(graph: Graph, latent: Link, vae: Link) -> Link:
    return [graph.add("VAEDecode", samples=latent, vae=vae), 0]


def _animate(
    graph: Graph, model: VideoModel, seed: int, picture: Link, size: tuple[int, int]
) -> Link:
    loader = graph.add(VIDEO_CHECKPOINT, ckpt_name=model.file)
    prepared = graph.add(
        "SVD_img2vid_Conditioning",
        clip_vision=[loader, 1],
        init_image=picture,
        vae=[loader, 2],
        width=size[0],
        height=size[1],
        video_frames=model.frames,
        motion_bucket_id=model.motion,
        fps=model.fps,
        augmentation_level=0.0,
    )
    # The later frames, which resemble the picture less, follow it more strictly.
    guided = graph.add("VideoLinearCFGGuidance", model=[loader, 0], min_cfg=1.0)
    loaded = _Loaded([guided, 0], [loader, 2], [prepared, 0], [prepared, 1])
    sampling = Sampling("euler", "karras")
    drawn = _sample(graph, loaded, [prepared, 2], sampling, seed, steps=model.steps, cfg=model.cfg)
    return _decode(graph, drawn, [loader, 2])
