from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import torch
from support.hosts import Host, picture, run
from visioncraft.nodes import NODE_CLASS_MAPPINGS, comfy
from visioncraft.visioncraft_core import errors
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

CLASSES: dict[str, Any] = NODE_CLASS_MAPPINGS
IMG2IMG = CLASSES["VisionCraftImg2Img"]
UPSCALE = CLASSES["VisionCraftUpscale"]


def test_a_picture_redrawn_at_strength_0_comes_back_exactly(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    images, mask, info = run(IMG2IMG, image=picture(), prompt="a fox", strength=0.0)
    assert torch.equal(images, picture())
    assert not mask.any()
    assert json.loads(info)["request"]["strength"] == 0.0
    assert "image" not in json.loads(info)["request"]


def test_a_stronger_redrawing_leaves_less_of_the_picture(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    away = [
        float(
            (run(IMG2IMG, image=picture(), prompt="a fox", strength=s)[0] - picture()).abs().mean()
        )
        for s in (0.2, 0.5, 1.0)
    ]
    assert away == sorted(away)
    assert away[0] > 0.01


def test_a_batch_is_one_request_a_picture_and_keeps_its_order(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    batch = torch.cat([picture(), picture().flip(2), torch.zeros_like(picture())])
    images, _, _ = run(UPSCALE, image=batch)
    assert images.shape == (3, 192, 256, 3)
    assert sandbox.requests.count("POST /upscale") == 3
    small = torch.nn.functional.interpolate(images.movedim(-1, 1), (48, 64), mode="area")
    assert float((small.movedim(1, -1) - batch).abs().mean()) < 0.02


def test_transparency_of_an_upscaled_picture_arrives_as_mask(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    rgba = torch.cat([picture(), torch.ones((1, 48, 64, 1))], dim=-1)
    rgba[:, :, :32, 3] = 0.0
    _, mask, _ = run(UPSCALE, image=rgba)
    assert float(mask[0, 96, 20]) == 1.0
    assert float(mask[0, 96, 230]) == 0.0


def test_half_precision_and_grey_pictures_are_taken(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    assert run(UPSCALE, image=picture().half())[0].shape == (1, 192, 256, 3)
    assert run(UPSCALE, image=picture()[..., :1])[0].shape == (1, 192, 256, 3)


@pytest.mark.parametrize("size", [(1, 1), (3, 2)])
def test_a_tiny_picture_is_enlarged_too(size: tuple[int, int], sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    assert run(UPSCALE, image=picture(*size))[0].shape == (1, size[1] * 4, size[0] * 4, 3)


@pytest.mark.parametrize("shape", [(0, 8, 8, 3), (1, 0, 0, 3)])
def test_an_empty_batch_is_told_and_nothing_is_sent(shape: tuple[int, ...], sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    with pytest.raises(errors.InvalidRequest, match="holds no picture"):
        run(UPSCALE, image=torch.zeros(shape))
    assert sandbox.requests == ()


def test_one_failure_in_a_batch_leaves_the_others_and_is_told():
    with Sandbox(faults=[parse("upscale=500*1")]) as sandbox:
        host = Host(sandbox.url)
        comfy.use(host)
        images, _, info = run(UPSCALE, image=torch.cat([picture()] * 3))
    assert images.shape[0] == 2
    notes = json.loads(info)["notes"]
    assert len(notes) == 1
    assert "failed" in notes[0]
    assert notes[0] in host.heard


def test_text_in_place_of_a_picture_is_told(sandbox: Sandbox):
    with Sandbox(response_formats={"upscale": "chat"}) as odd:
        comfy.use(Host(odd.url))
        with pytest.raises(errors.InvalidResponse):
            run(UPSCALE, image=picture())


@pytest.mark.parametrize("upload", ["png", "webp", "jpeg"])
def test_the_upload_format_is_the_servers(upload: Any):
    requests = UPSCALE.requests({"image": picture()}, upload)
    starts = {"png": b"\x89PNG", "webp": b"RIFF", "jpeg": b"\xff\xd8"}
    assert [r.image.startswith(starts[upload]) for r in requests] == [True]


def test_encoding_does_not_hold_up_the_loop(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))

    async def both() -> int:
        task = asyncio.ensure_future(UPSCALE().run(image=torch.rand((1, 256, 256, 3))))
        ticks = 0
        while not task.done():
            await asyncio.sleep(0.005)
            ticks += 1
        await task
        return ticks

    assert asyncio.run(both()) > 5
