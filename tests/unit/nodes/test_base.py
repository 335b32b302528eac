from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from support.clients import client_of
from support.hosts import Host, run
from support.pictures import gradient
from visioncraft.nodes import NODE_CLASS_MAPPINGS, comfy
from visioncraft.nodes.base import SANDBOX_NOTE
from visioncraft.nodes.base import client_of as nodes_client_of
from visioncraft.nodes.partial_runs import PartialRuns
from visioncraft.visioncraft_core import Client, Result, errors
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.media.images import DecodedImage
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

CLASSES: dict[str, Any] = NODE_CLASS_MAPPINGS
XL = CLASSES["VisionCraftGenerateXL"]
SD = CLASSES["VisionCraftGenerate"]


def test_a_node_gives_pictures_mask_and_info(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    images, mask, info = run(XL, prompt="a red fox", width=96, height=64)
    assert (images.shape, mask.shape) == ((1, 64, 96, 3), (1, 64, 96))
    assert images.dtype == torch.float32
    assert 0 <= float(images.min()) < float(images.max()) <= 1
    told = json.loads(info)
    assert told["server"] == sandbox.url
    assert told["pictures"] == ["96x64"]
    assert told["request"]["prompt"] == "a red fox"


def test_several_pictures_come_as_one_batch(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    images, _, _ = run(SD, model="anything_V5", sampler="Euler", prompt="a fox", image_count=3)
    assert images.shape == (3, 512, 512, 3)
    assert not torch.equal(images[0], images[1])


def test_a_picture_that_does_not_open_is_told_and_the_others_delivered(home: Path):
    upscale = CLASSES["VisionCraftUpscale"]
    with Sandbox(faults=[parse("upscale=garbled*1")]) as sandbox:
        comfy.use(Host(sandbox.url))
        pictures = torch.rand(3, 8, 8, 3)
        images, _, info = run(upscale, image=pictures)
        assert images.shape[0] == 2
        (note,) = json.loads(info)["notes"]
        assert re.match(r"Picture \d of 3 failed: .* damaged picture", note)
        # The next run asks for that one again, and for no other.
        images, _, _ = run(upscale, image=pictures)
        assert images.shape[0] == 3
        assert sandbox.executions == 4


def test_pictures_of_different_size_are_all_delivered_and_it_says_so():
    pictures = tuple(DecodedImage(gradient(*size)) for size in ((32, 24), (16, 48)))
    notes: list[str] = []
    result = Result("here", 0.1, decoded=pictures)
    images, _, info = XL().output(XL.build(prompt="a fox"), result, notes)
    assert images.shape == (2, 48, 32, 3)
    assert "padded to 32x48" in json.loads(info)["notes"][0]


def test_without_a_key_the_sandbox_answers_and_the_node_says_so():
    host = Host("auto")
    comfy.use(host)
    _, _, info = run(XL, prompt="a red fox", width=64, height=64)
    assert host.heard[0] == SANDBOX_NOTE
    assert SANDBOX_NOTE in json.loads(info)["notes"]


def test_on_a_canvas_the_last_word_is_how_it_went(sandbox: Sandbox):
    host = Host("auto")
    host.has_canvas = True
    comfy.use(host)
    run(XL, prompt="a red fox", width=64, height=64)
    assert re.fullmatch(rf"Done in \d+\.\d s\. {re.escape(SANDBOX_NOTE)}", host.heard[-1])


def test_a_chosen_sandbox_needs_no_note():
    host = Host("auto")
    comfy.use(host)
    _, _, info = run(XL, prompt="a red fox", width=64, height=64, server="sandbox")
    assert SANDBOX_NOTE not in host.heard
    assert json.loads(info)["notes"] == []


def test_the_seed_is_not_sent(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    _, _, info = run(XL, prompt="a red fox", width=64, height=64, seed=5)
    assert "seed" not in json.loads(info)["request"]


def test_a_value_out_of_limits_is_named_and_nothing_is_sent(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    with pytest.raises(errors.InvalidRequest, match="width must be 64 to 1024, got 2048"):
        run(XL, prompt="a red fox", width=2048)
    assert sandbox.requests == ()


def test_a_workflow_cannot_name_an_address(sandbox: Sandbox):
    with pytest.raises(errors.ConfigError, match="cannot name an address"):
        run(XL, prompt="a red fox", server=sandbox.url)
    assert sandbox.requests == ()


def test_the_names_a_server_offered_last_are_the_choices(sandbox: Sandbox, home: Path):
    client_of(sandbox, home)._catalogs.save("models-xl", ["sdxl-turbo", "brand-new"])
    comfy.use(Host(sandbox.url))
    assert XL.INPUT_TYPES()["optional"]["model"][0] == ["sdxl-turbo", "brand-new"]


def test_broken_settings_leave_the_menu_alone(home: Path):
    home.mkdir()
    (home / "profiles.json").write_text("not json")
    assert XL.INPUT_TYPES()["optional"]["model"][0][0] == "sdxl-base"


def test_a_node_that_gave_only_a_part_runs_again_and_asks_only_for_the_rest():
    upscale = CLASSES["VisionCraftUpscale"]
    pictures = torch.rand(3, 8, 8, 3)
    with Sandbox(faults=[parse("upscale=500*1")]) as sandbox:
        comfy.use(Host(sandbox.url))
        # What ComfyUI knows before a run: the picture is linked.
        before = upscale.IS_CHANGED(image=None, seed=3), upscale.IS_CHANGED(image=None, seed=4)
        images, _, info = run(upscale, image=pictures, seed=3)
        assert len(images) == 2
        assert " of 3 failed: " in json.loads(info)["notes"][0]
        after = upscale.IS_CHANGED(image=None, seed=3), upscale.IS_CHANGED(image=None, seed=4)
        assert after[0] != before[0]
        assert after[1] == before[1]
        images, _, _ = run(upscale, image=pictures, seed=3)
        assert len(images) == 3
        assert upscale.IS_CHANGED(image=None, seed=3) == after[0]  # whole now: kept by ComfyUI
        assert sandbox.requests.count("POST /upscale") == 4


def test_a_hundred_runs_that_gave_a_part_each_tell_comfyui_to_run_again():
    runs = PartialRuns()
    told = []
    for _ in range(100):
        runs.note({"prompt": "a fox", "seed": 3})
        told.append(runs.mark({"prompt": "a fox", "seed": 3, "image": None}))
    assert len(set(told)) == 100
    assert runs.mark({"prompt": "a fox", "seed": 4}) == 0


def test_a_missing_key_is_told_by_the_node_before_anything_is_encoded_or_sent():
    class ComfyHost(Host):
        key_advice = "Enter one in Settings."

    comfy.use(ComfyHost("https://keyless.invalid"))
    message = r"^No key is configured for https://keyless\.invalid\. Enter one in Settings\.$"
    with pytest.raises(errors.KeyMissing, match=message):
        run(CLASSES["VisionCraftUpscale"], image="no picture at all")


def test_a_missing_key_does_not_matter_for_lists():
    loader = CLASSES["VisionCraftCatalog"]
    comfy.use(Host("https://keyless.invalid"))
    inputs = {"catalog": "models", "filter": "", "pick": "first", "number": 1, "refresh": False}
    name, *_ = run(loader, **inputs)
    assert name in bundled()["models"]


def test_nodes_of_one_server_share_a_client_until_its_settings_change(home: Path):
    home.mkdir()
    path = home / "profiles.json"

    def client(key: str) -> Client:
        entry = {"base_url": "https://work.test", "key": key}
        path.write_text(json.dumps({"profiles": {"work": entry}}))
        path.chmod(0o600)
        return nodes_client_of("work")[0]

    assert client("work-key-1") is client("work-key-1")
    assert client("work-key-1") is not client("work-key-2")
