from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import gradient, png_of
from PIL import Image
from visioncraft.nodes.headless import folders, hostnodes
from visioncraft.nodes.headless.folders import Folders


@pytest.fixture(autouse=True)
def places(tmp_path: Path) -> Folders:
    (tmp_path / "input").mkdir()
    current = Folders(tmp_path / "output", (tmp_path / "input",))
    folders.current.set(current)
    return current


def call(name: str, **inputs: Any) -> Any:
    cls: Any = hostnodes.NODE_CLASSES[name]
    return getattr(cls(), cls.FUNCTION)(**inputs)


def image(width: int = 32, height: int = 24) -> torch.Tensor:
    return torch.from_numpy(gradient(width, height).astype(np.float32) / 255.0)[None]


def test_every_named_node_is_there():
    assert set(hostnodes.NODE_CLASSES) == {
        *("LoadImage", "SaveImage", "PreviewImage", "PreviewAny", "PrimitiveString"),
        *("PrimitiveStringMultiline", "PrimitiveInt", "PrimitiveFloat", "StringConcatenate"),
        *("ImageScale", "ImageBatch"),
    }


def test_a_loaded_picture_is_rgb_and_its_mask_is_what_is_transparent(tmp_path: Path):
    rgba = np.dstack([gradient(), gradient()[..., 0]])
    (tmp_path / "input" / "a.png").write_bytes(png_of(rgba))
    pixels, mask = call("LoadImage", image="a.png")
    assert np.array_equal(np.round(pixels[0].numpy() * 255), rgba[..., :3])
    assert np.allclose(mask[0].numpy(), 1 - rgba[..., 3] / 255, atol=1e-6)


def test_an_opaque_picture_has_comfyuis_empty_mask(tmp_path: Path):
    (tmp_path / "input" / "a.png").write_bytes(png_of(gradient()))
    assert call("LoadImage", image="a.png")[1].shape == (1, 64, 64)


def test_a_moving_picture_loads_as_a_batch(tmp_path: Path):
    frames = [Image.fromarray(np.roll(gradient(), n, axis=1)) for n in range(3)]
    frames[0].save(tmp_path / "input" / "a.gif", save_all=True, append_images=frames[1:])
    assert call("LoadImage", image="a.gif")[0].shape == (3, 24, 32, 3)


def test_a_missing_picture_is_told_before_the_run():
    verdict = hostnodes.LoadImage.VALIDATE_INPUTS("gone.png")
    assert "no input picture called gone.png" in str(verdict)
    assert hostnodes.LoadImage.VALIDATE_INPUTS(None) is True


def test_a_saved_picture_holds_its_pixels_prompt_and_workflow(places: Folders):
    prompt, extra = {"1": {"class_type": "X", "inputs": {"text": "ü"}}}, {"workflow": {"nodes": []}}
    shown = call(
        "SaveImage",
        images=torch.cat([image(), image()]),
        filename_prefix="a/fox",
        prompt=prompt,
        extra_pnginfo=extra,
    )["ui"]["images"]
    assert [s.path.name for s in shown] == ["fox_00001_.png", "fox_00002_.png"]
    with Image.open(shown[0].path) as saved:
        assert np.array_equal(np.asarray(saved), gradient())
        assert json.loads(saved.text["prompt"]) == prompt
        assert json.loads(saved.text["workflow"]) == extra["workflow"]


def test_values_outside_the_range_are_clamped_and_the_rest_is_cut_as_comfyui_does():
    values = torch.tensor([-0.5, 0.999, 1.5]).repeat(3, 1).T.reshape(1, 1, 3, 3)
    shown = call("SaveImage", images=values)["ui"]["images"]
    with Image.open(shown[0].path) as saved:
        assert np.asarray(saved)[0, :, 0].tolist() == [0, 254, 255]


def test_a_preview_is_not_among_the_results(places: Folders):
    shown = call("PreviewImage", images=image())["ui"]["images"]
    assert shown[0].type == "temp"
    assert "_temp_" in shown[0].path.name


@pytest.mark.parametrize(
    ("source", "text"),
    [("hi", "hi"), (3, "3"), (True, "True"), (None, "None"), ({"a": 1}, '{"a": 1}'), ({1}, "{1}")],
)
def test_anything_can_be_shown_as_text(source: Any, text: str):
    assert call("PreviewAny", source=source)["ui"]["text"] == [text]


def test_texts_are_joined_and_primitives_pass_on():
    assert call("StringConcatenate", string_a="a", string_b="b", delimiter=", ") == ("a, b",)
    for name, value in [("PrimitiveInt", 3), ("PrimitiveFloat", 0.5), ("PrimitiveString", "x")]:
        assert call(name, value=value) == (value,)


@pytest.mark.parametrize(
    ("width", "height", "crop", "shape"),
    [
        (16, 12, "disabled", (12, 16)),
        (16, 16, "disabled", (16, 16)),
        (16, 16, "center", (16, 16)),
        (16, 0, "disabled", (12, 16)),
        (0, 12, "disabled", (12, 16)),
        (0, 0, "disabled", (24, 32)),
    ],
)
@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"])
def test_a_picture_is_scaled_to_the_size_asked_for(
    method: str, width: int, height: int, crop: str, shape: tuple[int, int]
):
    options = {"upscale_method": method, "width": width, "height": height, "crop": crop}
    scaled = call("ImageScale", image=image(), **options)[0]
    assert scaled.shape == (1, *shape, 3)
    assert torch.isfinite(scaled).all()


def test_cropping_keeps_the_middle():
    options = {"upscale_method": "nearest-exact", "width": 24, "height": 24, "crop": "center"}
    scaled = call("ImageScale", image=image(), **options)[0]
    assert torch.equal(scaled, image()[:, :, 4:28])


def test_a_batch_takes_the_size_of_its_first_picture():
    both = call("ImageBatch", image1=image(32, 24), image2=image(64, 48))[0]
    assert both.shape == (2, 24, 32, 3)
    assert torch.equal(both[0], image(32, 24)[0])
