"""What is suggested for the files of a ComfyUI and the models of a language model server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from support.raw_server import answering, raw
from visioncraft.visioncraft_core.serve.configuration import read
from visioncraft.visioncraft_core.serve.suggestions import (
    Found,
    configuration_text,
    look,
    summary,
)
from visioncraft.visioncraft_core.service.engines.comfyui.inventory import Inventory
from visioncraft.visioncraft_core.service.engines.comfyui.settings import ComfyUISettings
from visioncraft.visioncraft_core.service.engines.openai import OpenAIServer

FILES = Inventory(
    checkpoints=(
        "anything_V5.safetensors",
        'sd15/My "own" mödel.ckpt',
        'other\\My "own" mödel.ckpt',
        "sd_xl_base_1.0.safetensors",
        "sdxl-turbo.safetensors",
        "sd_xl_refiner_1.0.safetensors",
        "svd_xt.safetensors",
        "svd.safetensors",
        "sd-inpainting.safetensors",
    ),
    loras=("3DMM_V12.safetensors", "detail-xl.safetensors"),
    upscale_models=("2x_other.pth", "RealESRGAN_x4plus.pth"),
    motion_models=("mm.ckpt",),
    video=True,
)
MODELS = ("mistral:7b", "llama3:latest", "nomic-embed-text", "mistral-7b-instruct")


def settings_of(found: Found, folder: Path) -> list[Any]:
    path = folder / "visioncraft.toml"
    path.write_text(configuration_text(found), encoding="utf-8")
    return [engine.settings for engine in read(path).engines]


def test_files_are_offered_as_what_their_names_say(tmp_path: Path):
    comfyui, llm = settings_of(Found(FILES, MODELS), tmp_path)
    assert isinstance(comfyui, ComfyUISettings)
    assert {name: each.file for name, each in comfyui.models.items()} == {
        "anything_V5": "anything_V5.safetensors",
        'My "own" mödel': 'sd15/My "own" mödel.ckpt',
        'My "own" mödel-2': 'other\\My "own" mödel.ckpt',
    }
    turbo, base = comfyui.models_xl["sdxl-turbo"], comfyui.models_xl["sd_xl_base_1.0"]
    assert (turbo.steps, turbo.cfg, turbo.refiner) == (4, 1.0, "")
    assert (base.steps, base.refiner) == (30, "sd_xl_refiner_1.0.safetensors")
    assert comfyui.loras == {"3DMM_V12": "3DMM_V12.safetensors"}
    assert comfyui.video
    assert (comfyui.video.file, comfyui.video.frames) == ("svd.safetensors", 14)
    assert comfyui.upscaler
    assert (comfyui.upscaler.file, comfyui.upscaler.scale) == ("RealESRGAN_x4plus.pth", 4)
    assert comfyui.gif
    assert comfyui.gif.motion == "mm.ckpt"
    assert isinstance(llm, OpenAIServer)
    assert llm.models["models-llm"] == {
        "mistral:7b": "mistral:7b",
        "llama3": "llama3:latest",
        "mistral-7b-instruct": "mistral-7b-instruct",
    }


@pytest.mark.parametrize(
    "found",
    [
        Found(Inventory((), (), (), (), video=False), ()),
        Found(Inventory(("a.safetensors",), (), (), (), video=False), ("m",)),
        Found(Inventory(("svd.safetensors",), ("l.pt",), ("u.pth",), (), video=True), ()),
        Found(None, ("m\x7f", 'n"', "é")),
    ],
)
def test_whatever_is_there_the_suggestion_has_no_fault(found: Found, tmp_path: Path):
    assert settings_of(found, tmp_path)


def test_what_would_be_served_is_told_in_a_few_lines():
    lines = summary(Found(FILES, MODELS))
    assert lines[0] == "ComfyUI on http://127.0.0.1:8188 would serve:"
    assert "  /img2img: sd_xl_base_1.0" in lines
    assert lines[-1] == "  /llm, /premium/llm: mistral:7b, llama3, mistral-7b-instruct"
    assert summary(Found()) == []


def test_who_answers_is_found_and_who_does_not_is_away():
    listed = json.dumps({"data": [{"id": name} for name in MODELS]}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
    with raw(answering(head + b"Content-Length: %d\r\n\r\n" % len(listed) + listed)) as server:
        found = asyncio.run(look("http://127.0.0.1:1", f"{server.url}/v1"))
    assert (found.comfyui, tuple(found.llms)) == (None, MODELS)
