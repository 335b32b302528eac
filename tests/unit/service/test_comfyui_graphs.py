"""The graphs that the ComfyUI engine queues, judged by what is recorded of ComfyUI's nodes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from support.comfyui_stand_in import NODES, refusals
from visioncraft.visioncraft_core.api import endpoints as api
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.service.engines import pictures, samplers
from visioncraft.visioncraft_core.service.engines.comfyui import graphs
from visioncraft.visioncraft_core.service.engines.comfyui.graphs import Graph
from visioncraft.visioncraft_core.service.engines.comfyui.inventory import trials
from visioncraft.visioncraft_core.service.engines.comfyui.settings import ComfyUISettings, Upscaler
from visioncraft.visioncraft_core.service.engines.pictures import Checkpoint, GifModel, VideoModel
from visioncraft.visioncraft_core.service.engines.samplers import Sampling

XL = Checkpoint(file="xl.safetensors", refiner="refiner.safetensors", steps=20, size=(1024, 1024))
ALL = ComfyUISettings(
    models={"anything_V5": Checkpoint(file="sd/anything.safetensors")},
    loras={"GrayClay_V1.5.5": "clay.safetensors"},
    models_xl={"sdxl-base": XL},
    img2img=XL,
    upscaler=Upscaler(file="x4.pth"),
    video=VideoModel(file="svd.safetensors"),
    gif=GifModel(checkpoint=Checkpoint(file="sd/anything.safetensors"), motion="m.ckpt", frames=24),
)
FILES = {
    "checkpoints": ["sd/anything.safetensors", "xl.safetensors", "refiner.safetensors"]
    + ["svd.safetensors"],
    "loras": ["clay.safetensors"],
    "upscale_models": ["x4.pth"],
    "animatediff_models": ["m.ckpt"],
}
EULER = Sampling("euler", "normal")


def of_kind(graph: Graph, class_type: str) -> list[dict[str, Any]]:
    return [n["inputs"] for n in graph.nodes.values() if n["class_type"] == class_type]


def image_to_image(**values: Any) -> Graph:
    request = api.ImageToImage(prompt="a fox", image=b"-", **values)
    return graphs.image_to_image(request, XL, EULER, 7, "a.png [temp]", (64, 64))


def test_every_graph_on_offer_is_one_that_comfyui_takes():
    made = list(trials(ALL))
    assert Counter(offer for offer, _ in made) == {
        "the model anything_V5": 20,
        "the LoRA GrayClay_V1.5.5": 1,
        "the model sdxl-base": 22,
        "/img2img": 21,
        "/upscale": 1,
        "/img2video": 1,
        "/generate-gif": 2,
    }
    for offer, graph in made:
        assert not list(refusals(graph.nodes, NODES, FILES)), offer
        assert graph.nodes[graph.result]["class_type"] == "PreviewImage"
        assert set(graph.steps) <= set(graph.nodes)


def test_the_judge_of_graphs_sees_what_is_wrong():
    graph = dict(trials(ALL))["the LoRA GrayClay_V1.5.5"].nodes
    loader = next(n for n in graph.values() if n["class_type"] == "LoraLoader")
    loader["inputs"].update(clip=loader["inputs"]["model"], lora_name="x", strength_model=101.0)
    del loader["inputs"]["strength_clip"]
    assert Counter(kind for _, kind, _, _ in refusals(graph, NODES, FILES)) == {
        "required_input_missing": 1,
        "return_type_mismatch": 1,
        "value_not_in_list": 1,
        "value_bigger_than_max": 1,
    }


def test_all_names_of_the_api_have_a_counterpart():
    listed = bundled()
    assert set(listed["samplers"]) <= set(samplers.SAMPLERS)
    assert set(listed["samplers-xl"]) <= set(samplers.XL_SAMPLERS)
    assert set(listed["schedulers-xl"]) <= set(samplers.XL_SCHEDULERS)
    assert set(listed["img2img/schedulers"]) <= set(samplers.IMAGE_SCHEDULERS)
    assert listed["img2img/refiners"] == list(samplers.REFINERS)
    both = {**samplers.SAMPLERS, **samplers.IMAGE_SCHEDULERS}
    assert {name for name, sampling in both.items() if not sampling.exact} == {
        *("PLMS", "PNDM", "DPMSolverMultistep")
    }


def test_a_request_becomes_a_graph_with_its_loras_count_and_seed():
    request = api.Generate(
        model="anything_V5",
        sampler="Euler",
        prompt="a [red] fox",
        negative_prompt="((ugly))",
        image_count=3,
        cfg_scale=8,
        steps=12,
    )
    model = ALL.models["anything_V5"]
    graph = graphs.generate(request, model, {"a": 1, "b": 2}, EULER, 2**64 - 1)
    first, second = of_kind(graph, "LoraLoader")
    assert (first["lora_name"], first["strength_model"], first["strength_clip"]) == ("a", 1.0, 1.0)
    assert graph.nodes[second["model"][0]]["inputs"] is first
    (sampler,) = of_kind(graph, "KSampler")
    assert graph.nodes[sampler["model"][0]]["inputs"] is second
    assert (sampler["seed"], sampler["steps"], sampler["cfg"]) == (2**64 - 1, 12, 8.0)
    assert of_kind(graph, "EmptyLatentImage") == [{"width": 512, "height": 512, "batch_size": 3}]
    texts = [graph.nodes[sampler[name][0]]["inputs"]["text"] for name in ("positive", "negative")]
    assert texts == ["a (red:0.91) fox", "((ugly))"]
    assert sum(graph.steps.values()) == 12


def test_the_same_request_is_another_graph_so_that_emptied_files_are_not_its_answer():
    one, two = (graphs.upscale(Upscaler(file="x4.pth"), "a.png [temp]") for _ in range(2))
    (kept,), (again,) = (of_kind(graph, "PreviewImage") for graph in (one, two))
    assert kept != again
    assert {**kept, "request": ""} == {**again, "request": ""}


def test_the_refiner_of_xl_does_the_last_fifth():
    request = api.GenerateXL(prompt="a fox", model="sdxl-base", refiner=True, width=100)
    graph = graphs.generate_xl(request, XL, 7)
    base, refiner = of_kind(graph, "KSamplerAdvanced")
    assert (base["start_at_step"], base["end_at_step"], base["add_noise"]) == (0, 16, "enable")
    assert base["return_with_leftover_noise"] == "enable"
    assert (refiner["start_at_step"], refiner["add_noise"]) == (16, "disable")
    assert list(graph.steps.values()) == [16, 4]
    assert of_kind(graph, "EmptyLatentImage")[0]["width"] == 104
    scores = [inputs["ascore"] for inputs in of_kind(graph, "CLIPTextEncodeSDXLRefiner")]
    assert scores == [6.0, 2.5]


@pytest.mark.parametrize(
    ("steps", "strength", "done"), [(50, 0.8, 40), (50, 1.0, 50), (1, 0.3, 1), (50, 0.001, 1)]
)
def test_strength_is_the_share_of_the_steps_that_are_done(steps: int, strength: float, done: int):
    (sampler,) = of_kind(image_to_image(steps=steps, strength=strength), "KSampler")
    assert (sampler["steps"], sampler["denoise"], sampler["cfg"]) == (done, strength, 7.5)


@pytest.mark.parametrize(
    ("steps", "strength", "parts"),
    [
        (50, 0.8, [(10, 40), (40, 10000)]),
        (50, 1.0, [(0, 40), (40, 10000)]),
        (50, 0.1, [(45, 10000)]),  # nothing is left to the base
        (50, 0.001, [(49, 10000)]),
        (1, 1.0, [(0, 1), (1, 10000)]),
    ],
)
def test_the_expert_ensemble_shares_the_steps(steps: int, strength: float, parts: list[Any]):
    graph = image_to_image(steps=steps, strength=strength, refiner="expert_ensemble_refiner")
    samplers = of_kind(graph, "KSamplerAdvanced")
    assert [(s["start_at_step"], s["end_at_step"]) for s in samplers] == parts
    assert [s["add_noise"] for s in samplers] == ["enable", "disable"][: len(parts)]
    assert samplers[-1]["return_with_leftover_noise"] == "disable"


def test_the_base_image_refiner_redraws_the_finished_picture_a_little():
    graph = image_to_image(steps=50, strength=0.8, refiner="base_image_refiner")
    base, refiner = of_kind(graph, "KSampler")
    assert graph.nodes[refiner["latent_image"][0]]["inputs"] is base
    assert (refiner["steps"], refiner["denoise"]) == (15, 0.3)


@pytest.mark.parametrize(
    ("prompt", "written"),
    [
        ("plain (strong) ((twice)) (much:1.3)", "plain (strong) ((twice)) (much:1.3)"),
        ("[out of frame], fox", "(out of frame:0.91), fox"),
        (r"\[not\] this", r"\[not\] this"),
        ("[cat:dog:0.5] [a|b] [", "[cat:dog:0.5] [a|b] ["),
    ],
)
def test_brackets_that_weigh_less_become_weights(prompt: str, written: str):
    assert graphs.weights_in_parentheses(prompt) == written


@pytest.mark.parametrize(
    ("size", "fitted", "smaller"),
    [
        ((1024, 576), (1024, 576), (1024, 576)),
        ((576, 1024), (576, 1024), (576, 1024)),
        ((100, 100), (768, 768), (96, 96)),
        ((4000, 4000), (768, 768), (768, 768)),
        ((16000, 10), (1344, 448), (16000, 64)),
        ((1, 1), (768, 768), (64, 64)),
    ],
)
def test_pictures_are_fitted_to_what_the_models_draw(
    size: tuple[int, int], fitted: tuple[int, int], smaller: tuple[int, int]
):
    assert pictures.fit(size, (1024, 576), 64) == fitted
    assert pictures.reduced(size, (1024, 576)) == smaller
