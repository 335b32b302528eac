"""The ComfyUI engine against a server that speaks ComfyUI's API: results, cancel, failures, and
that nothing of a user stays."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import av
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from PIL import Image
from support.comfyui_stand_in import NODES, PREVIEW, StandIn
from support.pictures import gradient, png_of
from support.timing import at_most
from visioncraft.visioncraft_core.api import endpoints as api
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.engine import (
    EngineError,
    EngineUnavailable,
    GenerationFailed,
    InputRejected,
    Job,
    OutOfMemory,
)
from visioncraft.visioncraft_core.service.engines.comfyui.engine import ComfyUIEngine
from visioncraft.visioncraft_core.service.engines.comfyui.inventory import Inventory, discover
from visioncraft.visioncraft_core.service.engines.comfyui.settings import ComfyUISettings, Upscaler
from visioncraft.visioncraft_core.service.engines.pictures import Checkpoint, GifModel, VideoModel

SD = Checkpoint(file="sd.safetensors", size=(64, 64))
XL = Checkpoint(file="xl.safetensors", refiner="refiner.safetensors", steps=10, size=(64, 64))
SVD = VideoModel(file="svd.safetensors", frames=3, fps=5, size=(128, 64))
OFFERS: dict[str, Any] = {
    "models": {"anything_V5": SD},
    "loras": {"Clay_V1.5": "clay.safetensors"},
    "models_xl": {"sdxl-base": XL},
    "img2img": XL,
    "upscaler": Upscaler(file="x4.pth"),
    "video": SVD,
    "gif": GifModel(checkpoint=SD, motion="m.ckpt", frames=4),
    "negative_prompt": "ugly",
}
FILES = {
    "checkpoints": ["sd.safetensors", "xl.safetensors", "refiner.safetensors", "svd.safetensors"],
    "loras": ["clay.safetensors"],
    "upscale_models": ["x4.pth"],
    "animatediff_models": ["m.ckpt"],
}
WITHOUT_ANIMATEDIFF = {name: told for name, told in NODES.items() if not name.startswith("ADE")}
PICTURE = png_of(gradient(80, 60))
FOX = api.Generate(model="anything_V5", sampler="Euler", prompt="a red fox", steps=4)
PAINTED_FOX = api.ImageToImage(prompt="a red fox", image=PICTURE, steps=4)


@asynccontextmanager
async def engine_at(
    comfyui: StandIn, models_kept: int = 1, **changed: Any
) -> AsyncIterator[ComfyUIEngine]:
    """It waits at the end for what is being cleared up."""
    engine = ComfyUIEngine(ComfyUISettings(url=comfyui.url, **{**OFFERS, **changed}), models_kept)
    try:
        yield engine
    finally:
        await engine.close()


def with_engine(
    scene: Callable[[ComfyUIEngine, StandIn], Awaitable[None]],
    *,
    nodes: Any = NODES,
    files: Any = FILES,
    **changed: Any,
) -> StandIn:
    """Runs `scene`, and asserts that nothing of it stays in the ComfyUI."""

    async def run() -> StandIn:
        async with StandIn(files, nodes).serve() as comfyui:
            async with engine_at(comfyui, **changed) as engine:
                await scene(engine, comfyui)
            assert not comfyui.history
            assert not comfyui.pending
            assert not comfyui.running
            assert set(comfyui.written.values()) <= {b""}
        return comfyui

    return asyncio.run(run())


def made(request: Request, job: Job | None = None, **options: Any) -> tuple[bytes, ...]:
    files: tuple[bytes, ...] = ()

    async def scene(engine: ComfyUIEngine, _comfyui: StandIn) -> None:
        nonlocal files
        assert engine.serves(request)
        files = (await engine.generate(request, job or Job(1))).files

    with_engine(scene, **options)
    return files


def failure(request: Request, prepare: Callable[[StandIn], None], **options: Any) -> EngineError:
    caught: list[EngineError] = []

    async def scene(engine: ComfyUIEngine, comfyui: StandIn) -> None:
        prepare(comfyui)
        try:
            await engine.generate(request, Job(1))
        except EngineError as error:
            caught.append(error)
        comfyui.status = 0

    with_engine(scene, **options)
    return caught[0]


def opened(file: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(file))
    picture.load()
    return picture


FILES_IN = ("ckpt_name", "model_name")  # inputs of loaders
VIDEO = api.ImageToVideo(image=PICTURE)
XL_FOX = api.GenerateXL(prompt="a fox", model="SDXL-base", width=70, height=64)


@pytest.mark.parametrize(
    ("request_", "sizes"),
    [
        (FOX, [(64, 64)]),
        (
            api.Generate(**{**FOX.to_json(), "image_count": 3, "loras": {"clay_v1.5": 1}}),
            [(64, 64)] * 3,
        ),
        (XL_FOX, [(70, 64)]),
        (api.GenerateXL(**{**XL_FOX.to_json(), "refiner": True}), [(70, 64)]),
        (PAINTED_FOX, [(72, 64)]),
        (api.Upscale(image=PICTURE), [(320, 240)]),
    ],
)
def test_pictures_come_in_the_size_and_number_asked_for_without_comfyuis_notes(
    request_: Request, sizes: list[tuple[int, int]]
):
    files = made(request_)
    assert [opened(file).size for file in files] == sizes
    for file in files:
        assert not opened(file).info
        assert b"fox" not in file


@pytest.mark.parametrize("refiner", bundled()["img2img/refiners"])
def test_each_refiner_redraws(refiner: str):
    request = api.ImageToImage(prompt="a fox", image=PICTURE, refiner=refiner.upper())
    assert [opened(file).size for file in made(request)] == [(72, 64)]


def test_a_strength_of_zero_gives_the_picture_back():
    async def scene(engine: ComfyUIEngine, comfyui: StandIn) -> None:
        request = api.ImageToImage(prompt="a fox", image=PICTURE, strength=0)
        (file,) = (await engine.generate(request, Job(1))).files
        assert opened(file).tobytes() == opened(PICTURE).tobytes()
        assert not comfyui.prompts

    with_engine(scene)


def test_an_upscaled_picture_keeps_its_transparency():
    given = Image.new("RGBA", (20, 10), (9, 9, 9, 100))
    buffer = io.BytesIO()
    given.save(buffer, "PNG")
    (file,) = made(api.Upscale(image=buffer.getvalue()))
    assert (opened(file).mode, opened(file).size) == ("RGBA", (80, 40))
    assert opened(file).getchannel("A").getextrema() == (100, 100)


def test_a_video_has_the_proportions_of_its_picture_and_the_rate_of_its_model():
    (file,) = made(api.ImageToVideo(image=PICTURE))
    with av.open(io.BytesIO(file)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (128, 64, 5)
        assert len(list(container.decode(video=0))) == 3


@pytest.mark.parametrize(
    ("nodes", "changed", "frames", "milliseconds"),
    [
        (NODES, {}, 4, 120),  # a GIF counts in hundredths
        (WITHOUT_ANIMATEDIFF, {}, 3, 200),
        (NODES, {"gif": GifModel(checkpoint=SD)}, 3, 200),
    ],
)
def test_a_gif_is_drawn_by_animatediff_else_begun_with_a_still(
    nodes: Any, changed: Any, frames: int, milliseconds: int
):
    (file,) = made(api.GenerateGif(sampler="Euler", prompt="a fox"), nodes=nodes, **changed)
    gif = opened(file)
    assert gif.format == "GIF"
    assert getattr(gif, "n_frames", 1) == frames
    assert gif.info["duration"] == milliseconds


def files_named(comfyui: StandIn) -> list[set[str]]:
    """By the loaders of each graph that it was sent, without their endings."""
    return [
        {
            name.partition(".")[0]
            for node in body["prompt"].values()
            for key, name in node["inputs"].items()
            if key in FILES_IN
        }
        for body in comfyui.prompts
    ]


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (1, ["sd", "sd x4", "xl x4", "xl refiner x4", "xl refiner x4", "xl x4", "svd x4"]),
        (2, ["sd", "sd x4", "sd xl x4", *["xl refiner x4"] * 3, "xl svd x4"]),
        (
            3,
            ["sd", "sd x4", "sd xl x4", *["sd xl refiner x4"] * 3, "xl refiner svd x4"],
        ),
    ],
)
def test_each_graph_names_the_models_that_comfyui_is_to_keep(models: int, expected: list[str]):
    refined, enlarge = replace(XL_FOX, refiner=True), api.Upscale(image=PICTURE)

    async def scene(engine: ComfyUIEngine, _comfyui: StandIn) -> None:
        for request in (FOX, enlarge, XL_FOX, refined, enlarge, XL_FOX, VIDEO):
            await engine.generate(request, Job(1))

    comfyui = with_engine(scene, models_kept=models)
    assert files_named(comfyui) == [set(names.split()) for names in expected]


@pytest.mark.parametrize("request_", [VIDEO, api.Upscale(image=PICTURE)])
def test_what_a_comfyui_lacks_for_one_kind_of_result_does_not_stop_the_others(request_: Request):
    lacking = ("ImageOnlyCheckpointLoader", "UpscaleModelLoader")

    async def scene(engine: ComfyUIEngine, _comfyui: StandIn) -> None:
        with pytest.raises(GenerationFailed):
            await engine.generate(request_, Job(1))
        for _ in range(2):
            await engine.generate(FOX, Job(1))

    nodes = {name: told for name, told in NODES.items() if name not in lacking}
    with_engine(scene, nodes=nodes, models_kept=3)


def test_it_offers_what_its_settings_name():
    async def scene(engine: ComfyUIEngine, _comfyui: StandIn) -> None:
        names = engine.catalogs()
        assert names["models"] == ["anything_V5"]
        assert names["loras"] == ["Clay_V1.5"]
        assert names["models-xl"] == ["sdxl-base"]
        assert set(names) == {name for name in bundled() if "llm" not in name}
        assert not engine.serves(api.Generate(model="other", sampler="Euler", prompt="a"))
        assert not engine.serves(api.Chat(model="a", messages=({"role": "user", "content": "a"},)))

    with_engine(scene)
    nothing = ComfyUIEngine(ComfyUISettings())
    assert nothing.catalogs() == {}
    assert not any(
        nothing.serves(request)
        for request in (FOX, XL_FOX, PAINTED_FOX, api.Upscale(image=b"-"))
        + (api.ImageToVideo(image=b"-"), api.GenerateGif(sampler="Euler", prompt="a"))
    )
    only = Checkpoint(file="xl.safetensors")
    plain = ComfyUIEngine(ComfyUISettings(img2img=only, gif=GifModel(checkpoint=only)))
    assert plain.catalogs()["img2img/refiners"] == ("no_refiner",)
    assert not plain.serves(api.GenerateGif(sampler="Euler", prompt="a"))


def test_progress_and_previews_are_passed_on_and_the_servers_negative_prompt_is_used():
    steps: list[tuple[int, int]] = []
    previews: list[bytes] = []

    async def scene(engine: ComfyUIEngine, comfyui: StandIn) -> None:
        job = Job(1, lambda *told: steps.append(told), previews.append)
        request = api.GenerateXL(prompt="a fox", model="sdxl-base", refiner=True)
        await engine.generate(request, job)
        texts = [n["inputs"].get("text") for n in comfyui.prompts[0]["prompt"].values()]
        assert texts.count("ugly") == 2

    with_engine(scene)
    assert steps[-1] == (10, 10)
    assert steps == sorted(steps)
    assert len(previews) == 10
    assert set(previews) == {PREVIEW}


def test_a_name_without_an_exact_counterpart_is_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "visioncraft.service")
    made(api.Generate(model="anything_V5", sampler="plms", prompt="a fox"))
    assert "ComfyUI has no plms; ipndm with ddim_uniform is the nearest." in caplog.messages
    assert not [message for message in caplog.messages if "fox" in message]


class Gate:
    """Where the work stops until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def wait(self) -> None:
        self.reached.set()
        await self.opened.wait()


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def until(happened: Callable[[], object]) -> None:
    while not happened():
        await asyncio.sleep(0.002)


@pytest.mark.timed
def test_a_cancel_interrupts_a_running_prompt_and_no_other():
    async def scene(engine: ComfyUIEngine, comfyui: StandIn) -> None:
        gate = Gate()
        comfyui.after_step = gate.wait
        task = asyncio.ensure_future(engine.generate(PAINTED_FOX, Job(1)))
        await gate.reached.wait()
        other = asyncio.ensure_future(engine.generate(FOX, Job(2)))
        await until(lambda: comfyui.pending)
        started = asyncio.get_running_loop().time()
        await cancelled(task)
        await until(lambda: comfyui.interrupts)
        assert asyncio.get_running_loop().time() - started < at_most(0.3)
        gate.opened.set()
        assert len((await other).files) == 1
        assert set(comfyui.interrupts) == {comfyui.prompts[0]["prompt_id"]}

    with_engine(scene)


def test_a_cancel_takes_a_waiting_prompt_from_the_queue():
    async def scene(engine: ComfyUIEngine, comfyui: StandIn) -> None:
        gate = Gate()
        comfyui.after_step = gate.wait
        first = asyncio.ensure_future(engine.generate(FOX, Job(1)))
        await gate.reached.wait()
        waiting = asyncio.ensure_future(engine.generate(PAINTED_FOX, Job(2)))
        await until(lambda: comfyui.pending)
        await cancelled(waiting)
        await until(lambda: not comfyui.pending)
        assert not comfyui.interrupts
        gate.opened.set()
        assert len((await first).files) == 1

    with_engine(scene)


@pytest.mark.parametrize("path", ["/upload/image", "/prompt", "/view"])
def test_a_cancel_while_comfyui_answers_leaves_nothing_either(path: str):
    async def scene(engine: ComfyUIEngine, comfyui: StandIn) -> None:
        gate = Gate()

        async def hold(asked: str) -> None:
            if asked == path:
                await gate.wait()

        comfyui.answering = hold
        task = asyncio.ensure_future(engine.generate(PAINTED_FOX, Job(1)))
        await gate.reached.wait()
        await cancelled(task)
        assert any(comfyui.written.values())
        gate.opened.set()

    with_engine(scene)


def test_closing_waits_until_nothing_is_left():
    async def scene(engine: ComfyUIEngine, comfyui: StandIn) -> None:
        begun = asyncio.Event()

        async def step() -> None:
            begun.set()
            await until(lambda: comfyui.interrupts)

        comfyui.after_step = step
        task = asyncio.ensure_future(engine.generate(PAINTED_FOX, Job(1)))
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with_engine(scene)


def test_files_are_emptied_though_the_history_cannot_be_cleared(caplog: pytest.LogCaptureFixture):
    async def scene(engine: ComfyUIEngine, comfyui: StandIn) -> None:
        async def hold(asked: str) -> None:
            if asked == "/history":
                comfyui.history.clear()
                raise ConnectionResetError

        comfyui.answering = hold
        assert (await engine.generate(PAINTED_FOX, Job(1))).files

    with_engine(scene)
    assert "may keep files of a request" in caplog.text


@pytest.mark.parametrize("content", [b"[]", b"<html>", b'"ok"'])
def test_another_server_is_no_comfyui(content: bytes):
    async def run() -> None:
        async def answer(_request: web.Request) -> web.Response:
            return web.Response(body=content)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        async with TestServer(app) as server:
            engine = ComfyUIEngine(ComfyUISettings(url=str(server.make_url("")), **OFFERS))
            for request in (FOX, PAINTED_FOX):
                with pytest.raises(EngineUnavailable):
                    await engine.generate(request, Job(1))
            assert len(await engine.problems()) == 1
            await engine.close()

    asyncio.run(run())


def test_a_lost_websocket_is_opened_again():
    async def scene(engine: ComfyUIEngine, comfyui: StandIn) -> None:
        dropped = 0

        async def step() -> None:
            nonlocal dropped
            dropped += 1
            if dropped == 2:
                await comfyui.drop_sockets()

        comfyui.after_step = step
        assert len((await engine.generate(FOX, Job(1))).files) == 1

    with_engine(scene)


@pytest.mark.parametrize("request_", [FOX, PAINTED_FOX])
def test_a_comfyui_that_is_away_is_unavailable(request_: Request):
    async def scene() -> None:
        async with StandIn(FILES).serve() as comfyui:
            pass
        async with engine_at(comfyui) as engine:
            with pytest.raises(EngineUnavailable):
                await engine.generate(request_, Job(1))
            (problem,) = await engine.problems()
            assert "does not answer" in problem
        with pytest.raises(EngineUnavailable):
            await discover(comfyui.url)

    asyncio.run(scene())


def test_a_comfyui_that_ends_in_the_middle_is_unavailable():
    async def scene() -> None:
        gate = Gate()
        comfyui = StandIn(FILES)
        comfyui.after_step = gate.wait
        async with comfyui.serve():
            engine = ComfyUIEngine(ComfyUISettings(url=comfyui.url, **OFFERS))
            task = asyncio.ensure_future(engine.generate(FOX, Job(1)))
            await gate.reached.wait()
        with pytest.raises(EngineUnavailable):
            await task
        await engine.close()

    asyncio.run(scene())


def test_a_comfyui_that_started_anew_has_lost_the_prompt():
    async def scene(engine: ComfyUIEngine, comfyui: StandIn) -> None:
        async def step() -> None:
            comfyui.forget_all()
            await comfyui.drop_sockets()

        comfyui.after_step = step
        with pytest.raises(EngineUnavailable):
            await engine.generate(FOX, Job(1))

    with_engine(scene)


SECRET = "/home/me/models: a red fox"


@pytest.mark.parametrize(
    ("kind", "message", "expected"),
    [
        ("torch.OutOfMemoryError", "Allocation on device", OutOfMemory),
        ("RuntimeError", "CUDA error: out of memory " + SECRET, OutOfMemory),
        ("RuntimeError", "[enforce fail] DefaultCPUAllocator: can't allocate memory", OutOfMemory),
        ("safetensors._safetensors_rust.SafetensorError", SECRET, GenerationFailed),
    ],
)
def test_what_comfyui_says_of_a_failure_stays_inside(
    kind: str, message: str, expected: type[EngineError], caplog: pytest.LogCaptureFixture
):
    def break_(comfyui: StandIn) -> None:
        comfyui.fails["KSampler"] = (kind, message)

    error = failure(PAINTED_FOX, break_)
    assert type(error) is expected
    assert "fox" not in str(error) + caplog.text
    assert "/home" not in str(error) + caplog.text
    assert f"failed with {kind} in KSampler" in caplog.text


def test_somebody_else_may_stop_a_prompt():
    async def scene(engine: ComfyUIEngine, comfyui: StandIn) -> None:
        async def step() -> None:
            comfyui.interrupt()

        comfyui.after_step = step
        with pytest.raises(GenerationFailed, match="stopped"):
            await engine.generate(FOX, Job(1))

    with_engine(scene)


@pytest.mark.parametrize(
    ("request_", "files", "expected"),
    [
        (FOX, {**FILES, "checkpoints": []}, "lacks a file"),
        (api.Upscale(image=PICTURE), {**FILES, "upscale_models": []}, "lacks a file"),
    ],
)
def test_a_missing_file_is_told_without_its_name(request_: Request, files: Any, expected: str):
    error = failure(request_, lambda _: None, files=files)
    assert type(error) is InputRejected  # so that nobody takes it for paid
    assert expected in str(error)
    assert "safetensors" not in str(error)


def without_samplers(*names: str) -> dict[str, Any]:
    """The nodes of a ComfyUI that lacks these."""
    told = NODES["KSampler"]["input"]["required"]
    known = [name for name in told["sampler_name"][0] if name not in names]
    node = {**NODES["KSampler"], "input": {"required": {**told, "sampler_name": [known]}}}
    return {**NODES, "KSampler": node}


@pytest.mark.parametrize(
    ("request_", "field"), [(FOX, "sampler"), (PAINTED_FOX, "scheduler"), (XL_FOX, "sampler")]
)
def test_a_sampler_that_comfyui_lacks_is_the_fault_of_its_field(request_: Request, field: str):
    error = failure(request_, lambda _: None, nodes=without_samplers("euler", "ddim"))
    assert isinstance(error, InputRejected)
    assert error.field == field


def test_a_missing_node_is_told():
    nodes = {name: told for name, told in NODES.items() if name != "KSampler"}
    error = failure(FOX, lambda _: None, nodes=nodes)
    assert type(error) is GenerationFailed


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"loras": {"unknown": 1}}, "loras"),
        ({"loras": {"Clay_V1.5": 1000}}, "loras"),
        ({"sampler": "unknown"}, "sampler"),
    ],
)
def test_values_that_cannot_be_used_are_rejected(changed: Any, field: str):
    request = api.Generate(**{**FOX.to_json(), **changed})
    error = failure(request, lambda _: None)
    assert isinstance(error, InputRejected)
    assert error.field == field


def test_a_refiner_that_is_not_there_and_a_file_that_is_no_picture_are_rejected():
    plain = {"models_xl": {"sdxl-base": Checkpoint(file="xl.safetensors")}}
    request = api.GenerateXL(prompt="a", model="sdxl-base", refiner=True)
    error = failure(request, lambda _: None, **plain)
    assert isinstance(error, InputRejected)
    assert error.field == "refiner"
    for request in (api.Upscale(image=b"-"), api.ImageToVideo(image=b"-")):
        error = failure(request, lambda _: None)
        assert isinstance(error, InputRejected)
        assert error.field == "image"


@pytest.mark.parametrize(
    ("status", "expected"), [(502, EngineUnavailable), (413, GenerationFailed)]
)
def test_other_answers_than_comfyuis_are_failures(status: int, expected: type[EngineError]):
    def break_(comfyui: StandIn) -> None:
        comfyui.status = status

    assert type(failure(PAINTED_FOX, break_)) is expected


def test_problems_name_what_comfyui_lacks():
    async def scene(engine: ComfyUIEngine, comfyui: StandIn) -> None:
        assert list(await engine.problems()) == []
        comfyui.files = {**FILES, "checkpoints": ["xl.safetensors"], "loras": []}
        comfyui.nodes = {
            name: told
            for name, told in without_samplers("heun", "ipndm").items()
            if not name.startswith("ADE")
        }
        origin = comfyui.url
        assert list(await engine.problems()) == [
            f"The ComfyUI at {origin} has no {lack}."
            for lack in (
                "file sd.safetensors, which the model anything_V5 needs",
                "sampler heun, which the model anything_V5 needs",
                "sampler ipndm, which the model anything_V5 needs",
                "file clay.safetensors, which the LoRA Clay_V1.5 needs",
                "file refiner.safetensors, which the model sdxl-base needs",
                "file svd.safetensors, which /img2video needs",
                "node ADE_AnimateDiffLoaderGen1, which /generate-gif needs",
            )
        ]

    with_engine(scene)


def test_a_comfyui_tells_what_it_could_serve():
    async def scene(_engine: ComfyUIEngine, comfyui: StandIn) -> None:
        found = await discover(comfyui.url)
        assert found == Inventory(
            checkpoints=FILES["checkpoints"],
            loras=FILES["loras"],
            upscale_models=FILES["upscale_models"],
            motion_models=FILES["animatediff_models"],
            video=True,
        )
        comfyui.nodes = WITHOUT_ANIMATEDIFF
        assert (await discover(comfyui.url)).motion_models == ()

    with_engine(scene)


def test_a_server_answers_with_what_comfyui_makes_and_a_client_that_leaves_interrupts_it():
    async def scene() -> None:
        async with StandIn(FILES).serve() as comfyui:
            engine = ComfyUIEngine(ComfyUISettings(url=comfyui.url, **OFFERS))
            with await asyncio.to_thread(Sandbox, engine=engine) as sandbox:
                url = sandbox.url + FOX.path
                body = {"token": "sandbox-free", **FOX.to_json()}
                async with ClientSession() as session:
                    async with session.post(url, json=body) as answer:
                        (link,) = (await answer.json())["images"]
                    async with session.get(link) as answer:
                        assert opened(await answer.read()).size == (64, 64)
                    gate = Gate()
                    comfyui.after_step = gate.wait
                    leaving = asyncio.ensure_future(session.post(url, json=body))
                    await gate.reached.wait()
                    await cancelled(leaving)
                    await until(lambda: comfyui.interrupts)
                    gate.opened.set()
                await asyncio.to_thread(sandbox.close)
            assert sandbox.executions == 1
            assert not comfyui.history
            assert set(comfyui.written.values()) == {b""}

    asyncio.run(scene())
