"""The ComfyUI engine with real ComfyUIs, which draw with a checkpoint of random numbers."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest
import requests
from PIL import Image
from support.comfyui import skip_without_comfyui
from support.comfyui_stand_in import NODES
from support.pictures import gradient, png_of
from support.random_models import CHECKPOINT, LORA, UPSCALER
from support.timing import HANG, at_most, eventually
from visioncraft.visioncraft_core.api import endpoints as api
from visioncraft.visioncraft_core.service.engine import GenerationFailed, InputRejected, Job
from visioncraft.visioncraft_core.service.engines.comfyui.connection import Connection
from visioncraft.visioncraft_core.service.engines.comfyui.engine import ComfyUIEngine
from visioncraft.visioncraft_core.service.engines.comfyui.graphs import Graph
from visioncraft.visioncraft_core.service.engines.comfyui.inventory import discover, trials
from visioncraft.visioncraft_core.service.engines.comfyui.settings import ComfyUISettings, Upscaler
from visioncraft.visioncraft_core.service.engines.pictures import Checkpoint, GifModel, VideoModel
from visioncraft.visioncraft_core.service.pixels import mp4

from engines.conftest import EngineComfyUI

skip_without_comfyui()

RANDOM = Checkpoint(file=CHECKPOINT, refiner=CHECKPOINT, steps=3, size=(64, 64))
EMPTY = Checkpoint(file="sd/empty.safetensors", refiner="sd/empty.safetensors", steps=20)
DRAWN: dict[str, Any] = {
    "models": {"random": RANDOM},
    "loras": {"random": LORA},
    "models_xl": {"random": RANDOM},
    "img2img": RANDOM,
    "upscaler": Upscaler(file=UPSCALER, scale=2),
}
NAMED: dict[str, Any] = {
    "models": {"empty": EMPTY},
    "loras": {"random": LORA},
    "models_xl": {"empty": EMPTY},
    "img2img": EMPTY,
    "video": VideoModel(file="sd/empty.safetensors"),
    "gif": GifModel(checkpoint=EMPTY),
}
FOX = api.Generate(model="random", sampler="Euler", prompt="a [red] fox", steps=2)
LOADED = "model_type EPS"  # in ComfyUI's log, for each checkpoint
PICTURE = png_of(gradient(70, 64))


def with_engine(
    url: str, scene: Callable[[ComfyUIEngine], Awaitable[None]], offers: Any, keeps: int = 1
) -> None:
    async def run() -> None:
        engine = ComfyUIEngine(ComfyUISettings(url=url, **offers), keeps)
        try:
            await scene(engine)
        finally:
            await engine.close()

    asyncio.run(run())


def pixels(file: bytes) -> np.ndarray:
    picture = Image.open(io.BytesIO(file))
    assert picture.format == "JPEG" or not picture.info
    return np.asarray(picture.convert("RGB"), dtype=float)


def test_every_graph_is_accepted(comfyui: EngineComfyUI):
    for offer, graph in trials(ComfyUISettings(**{**DRAWN, **NAMED})):
        answer = requests.post(f"{comfyui.url}/prompt", json={"prompt": graph.nodes}, timeout=HANG)
        assert answer.status_code == 200, (offer, answer.text)
    assert eventually(comfyui.is_idle)
    requests.post(f"{comfyui.url}/history", json={"clear": True}, timeout=HANG)


def test_the_recorded_nodes_are_those_of_comfyui(comfyui: EngineComfyUI):
    told = requests.get(f"{comfyui.url}/object_info", timeout=HANG).json()
    for name, recorded in NODES.items():
        if name.startswith("ADE"):
            continue
        required = told[name]["input"]["required"]
        assert set(recorded["input"]["required"]) == set(required), name
        for key, (kind, *limits) in recorded["input"]["required"].items():
            now = required[key]
            if isinstance(kind, str):
                assert now[0] == kind, (name, key)
            elif kind:  # the samplers and schedulers; newer ones have more
                assert set(kind) <= set(now[0]), (name, key)
            if limits:
                assert limits[0].items() <= now[1].items(), (name, key)
        assert told[name]["output"][: len(recorded["output"])] == recorded["output"]


def test_what_it_has_and_lacks_is_known(comfyui: EngineComfyUI):
    found = asyncio.run(discover(comfyui.url))
    assert sorted(found.checkpoints) == [CHECKPOINT, "sd/empty.safetensors"]
    assert (found.loras, found.upscale_models) == ([LORA], [UPSCALER])
    assert found.video

    async def scene(engine: ComfyUIEngine) -> None:
        lacks = [problem.partition(" has no ")[2] for problem in await engine.problems()]
        assert lacks == ["file missing.pth, which /upscale needs."]

    offers = {**DRAWN, **NAMED, "upscaler": Upscaler(file="missing.pth")}
    with_engine(comfyui.url, scene, offers)


def test_pictures_are_drawn_and_nothing_stays(comfyui: EngineComfyUI):
    steps: list[tuple[int, int]] = []
    previews: list[bytes] = []

    async def scene(engine: ComfyUIEngine) -> None:
        async def draw(request: Any) -> list[np.ndarray]:
            job = Job(5, lambda *told: steps.append(told), previews.append)
            return [pixels(file) for file in (await engine.generate(request, job)).files]

        (first,) = await draw(FOX)
        assert first.shape == (64, 64, 3)
        assert first.std() > 5
        assert steps == [(1, 2), (2, 2)]
        assert [pixels(preview).shape[2] for preview in previews] == [3, 3]
        (again,) = await draw(FOX)  # ComfyUI has the result, but its file is emptied
        assert np.array_equal(first, again)
        (styled,) = await draw(replace(FOX, loras={"random": 1}))
        assert np.abs(styled - first).mean() > 1
        assert len(await draw(replace(FOX, image_count=2, steps=1, sampler="PLMS"))) == 2

    with_engine(comfyui.url, scene, DRAWN)
    assert comfyui.kept() == []


@pytest.mark.parametrize(("keeps", "expected"), [(1, "10011"), (2, "10010")])
def test_as_many_models_stay_as_it_is_to_keep(comfyui: EngineComfyUI, keeps: int, expected: str):
    """Whether each of the pictures, of which one is enlarged, loaded a model."""
    log, folder = comfyui.base / "log.txt", comfyui.base / "models" / "checkpoints"
    files = [f"{keeps}_{number}.safetensors" for number in range(2)]
    for file in files:
        (folder / file).symlink_to(CHECKPOINT)
    one, two = [Checkpoint(file=file, size=(64, 64)) for file in files]
    offers = {**DRAWN, "models": {"one": one, "two": two}}

    enlarge = api.Upscale(image=PICTURE)
    draw_one, draw_two = [replace(FOX, model=model, steps=1) for model in ("one", "two")]
    loaded = ""

    async def scene(engine: ComfyUIEngine) -> None:
        nonlocal loaded
        for seed, request in enumerate([draw_one, enlarge, draw_one, draw_two, draw_one]):
            before = log.read_text().count(LOADED)
            await engine.generate(request, Job(seed))
            loaded += str(log.read_text().count(LOADED) - before)

    try:
        with_engine(comfyui.url, scene, offers, keeps)
        assert loaded == expected
    finally:
        for file in files:
            (folder / file).unlink()


def test_pictures_are_redrawn_and_enlarged(comfyui: EngineComfyUI):
    async def scene(engine: ComfyUIEngine) -> None:
        for refiner in ("no_refiner", "expert_ensemble_refiner"):
            request = api.ImageToImage(
                prompt="a fox", image=PICTURE, steps=4, strength=0.5, refiner=refiner
            )
            (file,) = (await engine.generate(request, Job(1))).files
            assert pixels(file).shape == (64, 64, 3)
        (file,) = (await engine.generate(api.Upscale(image=PICTURE), Job(1))).files
        assert pixels(file).shape == (128, 140, 3)

    with_engine(comfyui.url, scene, DRAWN)
    assert comfyui.kept() == []


def test_a_cancel_stops_the_work(comfyui: EngineComfyUI):
    async def scene(engine: ComfyUIEngine) -> None:
        loop = asyncio.get_running_loop()
        begun, beside = asyncio.Event(), asyncio.Event()
        job = Job(1, lambda *_: begun.set())
        running = asyncio.ensure_future(engine.generate(replace(FOX, steps=50), job))
        await begun.wait()
        waiting = asyncio.ensure_future(engine.generate(FOX, Job(2, lambda *_: beside.set())))
        started = loop.time()
        for task in (running, waiting):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert loop.time() - started < at_most(0.3)
        assert await asyncio.to_thread(eventually, comfyui.is_idle)
        assert not beside.is_set()
        assert (await engine.generate(api.Upscale(image=PICTURE), Job(1))).files

    with_engine(comfyui.url, scene, DRAWN)
    assert comfyui.kept() == []


def test_a_failure_is_told_without_comfyuis_words(comfyui: EngineComfyUI):
    async def scene(engine: ComfyUIEngine) -> None:
        for request in (
            api.ImageToVideo(image=PICTURE),
            api.GenerateGif(sampler="Euler", prompt="a fox"),
            api.GenerateXL(prompt="a fox", model="empty", refiner=True),
            api.ImageToImage(prompt="a fox", image=PICTURE, refiner="base_image_refiner"),
        ):
            with pytest.raises(GenerationFailed) as caught:
                await engine.generate(request, Job(1))
            assert str(caught.value).startswith("The generation failed on the server.")
        with pytest.raises(InputRejected, match="lacks a file"):
            await engine.generate(replace(FOX, model="missing"), Job(1))
        with pytest.raises(InputRejected):
            await engine.generate(replace(FOX, model="empty", loras={"random": 1000}), Job(1))

    missing = {"empty": EMPTY, "missing": Checkpoint(file="missing.safetensors")}
    with_engine(comfyui.url, scene, {**NAMED, "models": missing})
    assert comfyui.kept() == []


def test_frames_become_a_video(comfyui: EngineComfyUI):
    def frames(uploads: Any) -> Graph:
        graph = Graph()
        picture = graph.add("LoadImage", image=uploads[0])
        return graph.keep([graph.add("RepeatImageBatch", image=[picture, 0], amount=5), 0])

    async def run() -> list[bytes]:
        connection = Connection(comfyui.url)
        try:
            return await connection.run(frames, Job(1), PICTURE)
        finally:
            await connection.close()

    files = asyncio.run(run())
    pictures = [Image.open(io.BytesIO(file)).convert("RGB") for file in files]
    with av.open(io.BytesIO(mp4(pictures, 7))) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) == 5
    assert np.abs(shown[4].astype(float) - pixels(PICTURE)).mean() < 10
    assert comfyui.kept() == []
