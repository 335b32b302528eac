"""What a ComfyUI has, and what it lacks for what it is to offer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from typing import Any

from ....api import endpoints as api
from ...engine import EngineError
from ..samplers import (
    IMAGE_SCHEDULERS,
    NO_REFINER,
    REFINERS,
    SAMPLERS,
    XL_SAMPLERS,
    XL_SCHEDULERS,
)
from . import graphs
from .connection import Connection
from .graphs import Graph
from .settings import ComfyUISettings

_KINDS = {"sampler_name": "sampler", "scheduler": "scheduler", "beta_schedule": "beta schedule"}
_PROMPT = "a red fox"


@dataclass(frozen=True)
class Inventory:
    """The files of a ComfyUI by folder, and whether it has the nodes for video."""

    checkpoints: Sequence[str]
    loras: Sequence[str]
    upscale_models: Sequence[str]
    motion_models: Sequence[str]  # for AnimateDiff; () without its nodes
    video: bool


async def discover(url: str) -> Inventory:
    """Raises EngineError where no ComfyUI answers at `url`."""
    comfyui = Connection(url)
    try:
        motion = _choices(await comfyui.node(graphs.ANIMATEDIFF), "model_name") or ()
        return Inventory(
            checkpoints=await comfyui.files("checkpoints"),
            loras=await comfyui.files("loras"),
            upscale_models=await comfyui.files("upscale_models"),
            motion_models=motion,
            video=bool(await comfyui.node("SVD_img2vid_Conditioning")),
        )
    finally:
        await comfyui.close()


async def problems(settings: ComfyUISettings, comfyui: Connection) -> Sequence[str]:
    """What ComfyUI would refuse a graph for, each in a sentence."""
    needed = list(trials(settings))
    classes = {node["class_type"] for _, graph in needed for node in graph.nodes.values()}
    try:
        known = {name: await comfyui.node(name) for name in sorted(classes)}
    except EngineError:
        return [f"The ComfyUI at {comfyui.origin} does not answer. Start it, or correct its url."]
    lacks: dict[str, str] = {}
    for offer, graph in needed:
        for node in graph.nodes.values():
            for lack in _lacks(node, known[node["class_type"]]):
                lacks.setdefault(lack, offer)
    return [
        f"The ComfyUI at {comfyui.origin} has no {lack}, which {offer} needs."
        for lack, offer in lacks.items()
    ]


def trials(offers: ComfyUISettings) -> Iterator[tuple[str, Graph]]:
    """Graphs that use every file, node and sampler on offer, each with what it is for."""
    samplings = list(SAMPLERS.values())
    for name, model in offers.models.items():
        request = api.Generate(model=name, sampler="Euler", prompt=_PROMPT)
        for sampling in samplings:
            yield f"the model {name}", graphs.generate(request, model, {}, sampling, 0)
        for lora, file in offers.loras.items():
            yield f"the LoRA {lora}", graphs.generate(request, model, {file: 1}, samplings[0], 0)
    for name, model in offers.models_xl.items():
        for sampler, scheduler in zip(XL_SAMPLERS, cycle(XL_SCHEDULERS), strict=False):
            chosen: Any = {"sampler": sampler, "scheduler": scheduler}
            request = api.GenerateXL(
                prompt=_PROMPT, model=name, refiner=bool(model.refiner), **chosen
            )
            yield f"the model {name}", graphs.generate_xl(request, model, 0)
    if model := offers.img2img:
        refiners = REFINERS if model.refiner else (NO_REFINER,)
        for sampling, refiner in product(IMAGE_SCHEDULERS.values(), refiners):
            request = api.ImageToImage(prompt=_PROMPT, image=b"-", refiner=refiner)
            graph = graphs.image_to_image(request, model, sampling, 0, "", model.size)
            yield "/img2img", graph
    if offers.upscaler:
        yield "/upscale", graphs.upscale(offers.upscaler, "")
    if offers.video:
        yield "/img2video", graphs.image_to_video(offers.video, 0, "", offers.video.size)
    if gif := offers.gif:
        request = api.GenerateGif(sampler="Euler", prompt=_PROMPT)
        if gif.motion:
            yield "/generate-gif", graphs.gif_with_animatediff(request, gif, samplings[0], 0)
        if offers.video:
            graph = graphs.gif_from_still(request, gif, offers.video, samplings[0], 0)
            yield "/generate-gif", graph


def _lacks(node: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    class_type = node["class_type"]
    if not told:
        yield f"node {class_type}"
    elif class_type != "LoadImage":  # its files come with the requests
        for name, value in node["inputs"].items():
            choices = _choices(told, name)
            if choices is not None and value not in choices:
                yield f"{_KINDS.get(name, 'file')} {value}"


def _choices(told: Mapping[str, Any], name: str) -> Sequence[str] | None:
    """The values that an input takes, None where it is no list.

    As [[...], {}] or as ["COMBO", {"options": [...]}]; both are in use.
    """
    inputs = told.get("input") or {}
    declared = {**inputs.get("required", {}), **inputs.get("optional", {})}.get(name)
    if not declared:
        return None
    if declared[0] == "COMBO":
        return declared[1].get("options", ())
    return declared[0] if isinstance(declared[0], list) else None
