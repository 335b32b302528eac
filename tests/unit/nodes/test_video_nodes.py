from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.hosts import Host, picture, run
from support.instant_engine import InstantEngine, tiny_gif
from support.pictures import FRAMES, gradient
from visioncraft.nodes import NODE_CLASS_MAPPINGS, comfy
from visioncraft.nodes.video import _notes
from visioncraft.visioncraft_core import errors
from visioncraft.visioncraft_core.media.animations import Animation, decode_animation
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

CLASSES: dict[str, Any] = NODE_CLASS_MAPPINGS
GIF, VIDEO = CLASSES["VisionCraftGif"], CLASSES["VisionCraftImg2Video"]


def test_a_gif_gives_frames_speed_video_and_the_very_file():
    with Sandbox(engine=InstantEngine()) as sandbox:
        comfy.use(Host(sandbox.url))
        frames, fps, video, original, info = run(GIF, sampler="Euler", prompt="a boat on the sea")
    assert original.content == tiny_gif()
    assert original.kind == original.suffix == "gif"
    shown = decode_animation(original.content)
    assert frames.shape == shown.frames.shape == (len(FRAMES), 24, 32, 3)
    assert np.array_equal(np.round(frames.numpy() * 255), shown.frames)
    assert fps == pytest.approx(12.5)
    assert video.get_dimensions() == (32, 24)
    assert json.loads(info)["frames"] == len(FRAMES)


def test_a_video_keeps_its_stream(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    videos, frames, rates, originals, info = run(VIDEO, image=picture(96, 64))
    assert [len(part) for part in (videos, frames, rates, originals)] == [1, 1, 1, 1]
    assert frames[0].shape == (48, 64, 96, 3)
    assert rates == [pytest.approx(24)]
    saved = io.BytesIO()
    videos[0].save_to(saved)
    kept = decode_animation(saved.getvalue()).frames
    assert np.array_equal(kept, decode_animation(originals[0].content).frames)
    assert json.loads(info)["fps"] == rates


def test_several_pictures_give_several_videos_in_order(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    batch = torch.cat([torch.zeros_like(picture()), torch.ones_like(picture())])
    videos, frames, _, originals, _ = run(VIDEO, image=batch)
    assert len(videos) == len(originals) == 2
    assert float(frames[0][:, :40].mean()) < 0.1 < 0.9 < float(frames[1][:, :40].mean())


def test_one_failed_video_leaves_the_others(sandbox: Sandbox):
    with Sandbox(faults=[parse("img2video=500*1")]) as broken:
        comfy.use(Host(broken.url))
        videos, _, _, _, info = run(VIDEO, image=torch.cat([picture()] * 2))
    assert len(videos) == 1
    assert "failed" in json.loads(info)["notes"][0]


def test_a_video_that_does_not_open_leaves_the_others(sandbox: Sandbox):
    with Sandbox(faults=[parse("img2video=garbled-video*1")]) as broken:
        comfy.use(Host(broken.url))
        pictures = torch.rand(2, 32, 32, 3)
        videos, _, _, _, info = run(VIDEO, image=pictures)
        assert len(videos) == 1
        assert "without pictures" in json.loads(info)["notes"][0]
        videos, _, _, _, _ = run(VIDEO, image=pictures)
        assert len(videos) == 2
        assert len(broken.requests) == 3


def test_a_picture_where_a_video_was_asked_for_is_told(sandbox: Sandbox):
    with Sandbox(response_formats={"img2video": "chat"}) as odd:
        comfy.use(Host(odd.url))
        with pytest.raises(errors.InvalidResponse):
            run(VIDEO, image=picture())


def test_what_is_odd_about_an_animation_is_noted():
    frames = np.zeros((3, 4, 4, 3), np.uint8)
    assert _notes(Animation(frames, (0.1, 0.1, 0.1))) == []
    assert "0.10 to 0.20 seconds." in _notes(Animation(frames, (0.1, 0.2, 0.1)))[0]
    assert "single frame" in _notes(Animation(frames[:1], (0.1,)))[0]
    assert "7 frames" in _notes(Animation(frames, (0.1, 0.1, 0.1), 7))[0]


def test_a_gif_of_odd_size_becomes_a_video_of_even_size():
    node = GIF()
    buffer = io.BytesIO()
    Image.fromarray(gradient(5, 3)).save(buffer, "GIF")
    from visioncraft.visioncraft_core.generation.results import File

    notes: list[str] = []
    content = buffer.getvalue()
    video, frames, _ = node.shown(File(content, "gif"), decode_animation(content), notes)
    assert frames.shape == (1, 3, 5, 3)
    assert video.get_dimensions() == (6, 4)
    assert "single frame" in notes[0]
