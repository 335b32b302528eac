from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image
from support.hostile_files import png
from support.pictures import gradient, png_of
from visioncraft.nodes.headless import folders
from visioncraft.nodes.headless.folders import Folders
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES
from visioncraft.nodes.headless.hostnodes.pictures import ImageFromBatch, LoadImage
from visioncraft.visioncraft_core.errors import WorkflowError
from visioncraft.visioncraft_core.media.animations import decode_animation


@pytest.fixture(autouse=True)
def places(tmp_path: Path) -> Folders:
    (tmp_path / "input").mkdir()
    current = Folders(tmp_path / "output", (tmp_path / "input",))
    folders.current.set(current)
    return current


def call(name: str, **inputs: Any) -> Any:
    cls: Any = NODE_CLASSES[name]
    return getattr(cls(), cls.FUNCTION)(**inputs)


def image(width: int = 32, height: int = 24) -> torch.Tensor:
    return torch.from_numpy(gradient(width, height).astype(np.float32) / 255.0)[None]


def test_every_named_node_is_there():
    assert set(NODE_CLASSES) == {
        *("LoadImage", "SaveImage", "PreviewImage", "PreviewAny", "PrimitiveString"),
        *("PrimitiveStringMultiline", "PrimitiveInt", "PrimitiveFloat", "StringConcatenate"),
        *("ImageScale", "ImageBatch", "ImageFromBatch", "RepeatImageBatch", "ImageStitch"),
        *("ImageInvert", "InvertMask", "MaskToImage", "LoadImageMask", "SaveAnimatedWEBP"),
        *("SaveAnimatedPNG", "SaveVideo", "CreateVideo", "GetVideoComponents", "SaveText"),
        "ImageGrid",
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
    verdict = LoadImage.VALIDATE_INPUTS("gone.png")
    assert "no input picture called gone.png" in str(verdict)
    assert LoadImage.VALIDATE_INPUTS(None) is True


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


def test_what_is_saved_or_shown_is_passed_on():
    film = call("CreateVideo", images=batch(), fps=8.0)[0]
    webp = {"lossless": True, "quality": 80, "method": "default"}
    for name, given, options in [
        ("SaveImage", batch(), {}),
        ("PreviewImage", batch(), {}),
        ("SaveAnimatedWEBP", batch(), {"filename_prefix": "a", "fps": 6.0, **webp}),
        ("SaveAnimatedPNG", batch(), {"filename_prefix": "a", "fps": 6.0, "compress_level": 4}),
        ("SaveVideo", film, {"filename_prefix": "a", "format": "auto", "codec": "auto"}),
        ("SaveText", "hi", {"filename_prefix": "a", "format": "txt"}),
        ("PreviewAny", "hi", {}),
    ]:
        cls: Any = NODE_CLASSES[name]
        (first, (kind, _)), *_ = cls.INPUT_TYPES()["required"].items()
        assert kind in (*cls.RETURN_TYPES, "*")
        saved = call(name, **{first: given}, **options)
        assert saved["ui"]
        assert saved["result"][0] is given


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


def batch(size: int = 3) -> torch.Tensor:
    return torch.cat([image().roll(4 * n, dims=2) for n in range(size)])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SaveAnimatedWEBP", {"lossless": True, "quality": 80, "method": "default"}),
        ("SaveAnimatedPNG", {"compress_level": 4}),
    ],
)
def test_an_animation_is_saved_with_its_frames_speed_and_workflow(name: str, options: dict):
    hidden = {"prompt": {"1": {}}, "extra_pnginfo": {"workflow": {"nodes": []}}}
    shown = call(name, images=batch(), filename_prefix="a", fps=12.5, **options, **hidden)["ui"]
    assert shown["animated"] == (True,)
    content = shown["images"][0].path.read_bytes()
    moved = decode_animation(content)
    assert np.array_equal(moved.frames, np.round(batch().numpy() * 255))
    assert moved.delays == pytest.approx((0.08,) * 3)
    assert b"workflow" in content
    assert b"prompt" in content


def test_a_video_is_made_taken_apart_and_saved_with_its_workflow():
    film = call("CreateVideo", images=batch(), fps=24.0)[0]
    images, audio, fps = call("GetVideoComponents", video=film)
    assert torch.equal(images, batch())
    assert (audio, fps) == (None, 24.0)
    options = {"filename_prefix": "video/x", "format": "auto", "codec": "auto"}
    shown = call("SaveVideo", video=film, extra_pnginfo={"workflow": {"nodes": []}}, **options)[
        "ui"
    ]
    path = shown["images"][0].path
    assert path.name == "x_00001_.mp4"
    with av.open(str(path)) as container:
        assert json.loads(container.metadata["workflow"]) == {"nodes": []}
    saved = decode_animation(path.read_bytes())
    assert (len(saved.frames), saved.fps) == (3, pytest.approx(24))


def test_a_mask_is_one_channel_and_alpha_turns_around(tmp_path: Path):
    rgba = np.dstack([gradient(), gradient()[..., 0]])
    (tmp_path / "input" / "a.png").write_bytes(png_of(rgba))
    red = call("LoadImageMask", image="a.png", channel="red")[0]
    alpha = call("LoadImageMask", image="a.png", channel="alpha")[0]
    assert np.allclose(red[0].numpy(), rgba[..., 0] / 255, atol=1e-6)
    assert torch.allclose(alpha, call("InvertMask", mask=red)[0], atol=1e-6)
    assert call("MaskToImage", mask=red[0])[0].shape == (1, 24, 32, 3)


@pytest.mark.parametrize(
    ("first", "length", "picked"),
    [(-1, 1, [2]), (-2, 9, [1, 2]), (-3, 2, [0, 1]), (-9, 1, [0]), (-16384, 9, [0, 1, 2])],
)
def test_a_negative_index_counts_from_the_end(first: int, length: int, picked: list[int]):
    found = call("ImageFromBatch", image=batch(), batch_index=first, length=length)[0]
    assert torch.equal(found, batch()[picked])
    limits = ImageFromBatch.INPUT_TYPES()["required"]["batch_index"][1]
    assert limits["min"] <= first <= limits["max"]


def test_pictures_are_picked_repeated_and_inverted():
    assert torch.equal(
        call("ImageFromBatch", image=batch(), batch_index=1, length=9)[0], batch()[1:]
    )
    assert torch.equal(
        call("ImageFromBatch", image=batch(), batch_index=9, length=1)[0], batch()[2:]
    )
    assert call("RepeatImageBatch", image=batch(), amount=2)[0].shape[0] == 6
    assert torch.equal(call("ImageInvert", image=batch())[0], 1.0 - batch())


@pytest.mark.parametrize(
    ("direction", "match", "shape"),
    [
        ("right", True, (24, 32 + 6 + 12)),
        ("down", True, (24 + 6 + 64, 32)),
        ("left", False, (48, 32 + 6 + 24)),
        ("up", False, (24 + 6 + 48, 32)),
    ],
)
def test_two_pictures_are_stitched(direction: str, match: bool, shape: tuple[int, int]):  # noqa: FBT001
    options = {"spacing_width": 6, "spacing_color": "red", "match_image_size": match}
    pair = {"image1": image(32, 24), "image2": image(24, 48)}
    stitched = call("ImageStitch", direction=direction, **options, **pair)[0]
    assert stitched.shape == (1, *shape, 3)
    alone = call("ImageStitch", direction=direction, image1=image(), **options)[0]
    assert torch.equal(alone, image())


def test_a_stitched_gap_of_odd_width_is_one_wider():
    options = {"direction": "right", "match_image_size": True, "spacing_color": "blue"}
    pair = {"image1": image(), "image2": image(), "spacing_width": 5}
    stitched = call("ImageStitch", **options, **pair)[0]
    assert stitched.shape[2] == 32 + 6 + 32
    assert stitched[0, 0, 32:38].tolist() == [[0.0, 0.0, 1.0]] * 6


@pytest.mark.parametrize("first_has_alpha", [True, False])
def test_a_picture_without_alpha_is_stitched_as_an_opaque_one(first_has_alpha: bool):  # noqa: FBT001
    rgba = torch.cat([image(), torch.zeros((1, 24, 32, 1))], dim=-1)
    first, second = (rgba, image()) if first_has_alpha else (image(), rgba)
    options = {"direction": "down", "match_image_size": False, "spacing_color": "red"}
    pair = {"image1": first, "image2": second, "spacing_width": 2}
    alpha = call("ImageStitch", **options, **pair)[0][0, :, 0, 3]
    expected = [0.0] * 24 + [1.0] * 26 if first_has_alpha else [1.0] * 26 + [0.0] * 24
    assert alpha.tolist() == expected


def grid(images: list[torch.Tensor], columns: list[int]) -> torch.Tensor:
    sides = {"cell_width": [32], "cell_height": [40], "padding": [3]}
    return call("ImageGrid", images=images, columns=columns, **sides)[0]


def test_a_grid_holds_all_pictures_of_a_list_row_by_row():
    light = torch.ones((2, 8, 8, 3))
    arranged = grid([light, light[:1] * 0.5], [2])
    assert arranged.shape == (1, 40 + 3 + 40, 32 + 3 + 32, 3)
    corners = [arranged[0, y, x, 0].item() for y in (0, 82) for x in (0, 66)]
    assert corners == pytest.approx([1.0, 1.0, 0.5, 0.0], abs=0.01)
    assert not arranged[0, 40:43].any()


@pytest.mark.parametrize(("amount", "columns"), [(0, [2]), (1, [2, 3])])
def test_a_grid_needs_pictures_and_one_number_of_columns(amount: int, columns: list[int]):
    with pytest.raises(WorkflowError, match="Make Image Grid was given"):
        grid([image()] * amount, columns)


@pytest.mark.parametrize(
    ("name", "options", "moves"),
    [
        ("SaveAnimatedWEBP", {"lossless": True, "quality": 80, "method": "default"}, False),
        ("SaveAnimatedPNG", {"compress_level": 4}, True),
    ],
)
def test_an_animation_of_one_picture_is_shown_as_comfyui_shows_it(
    name: str,
    options: dict,
    moves: bool,  # noqa: FBT001
):
    shown = call(name, images=image(), filename_prefix="a", fps=6.0, **options)["ui"]
    assert shown["animated"] == (moves,)


def test_sound_for_a_video_is_refused_with_a_way_out():
    with pytest.raises(WorkflowError, match="Disconnect its audio input"):
        call("CreateVideo", images=batch(), fps=24.0, audio={"sample_rate": 48000})


def test_a_video_that_cannot_be_encoded_leaves_no_file(places: Folders):
    film = call("CreateVideo", images=torch.rand((1, 16, 16, 2)), fps=24.0)[0]
    options = {"filename_prefix": "x", "format": "auto", "codec": "auto"}
    with pytest.raises(ValueError, match="array"):
        call("SaveVideo", video=film, **options)
    assert not [path for path in places.root("output").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("format_", "text", "saved"),
    [("txt", "hi", "hi"), ("json", '{"a":1}', '{\n  "a": 1\n}'), ("json", "not json", "not json")],
)
def test_a_text_is_saved_under_the_next_number(format_: str, text: str, saved: str):
    for number in (1, 2):
        shown = call("SaveText", text=text, filename_prefix="t", format=format_)
        path = shown["ui"]["files"][0].path
        assert path.name == f"t_0000{number}.{format_}"
        assert path.read_text("utf-8") == saved


@pytest.mark.parametrize(
    ("saved", "asked"),
    [
        ("sub/a.png", "sub\\a.png"),
        ("a.png", "a.png [input]"),
        ("a.png", "a.png[input]"),
        ("caf\u00e9.png", "cafe\u0301.png"),
        ("cafe\u0301.png", "caf\u00e9.png"),
        ("clipspace/a.png", "clipspace/a.png [input]"),
    ],
)
def test_a_picture_is_found_as_other_systems_spell_it(saved: str, asked: str, tmp_path: Path):
    path = tmp_path / "input" / saved
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(png_of(gradient()))
    assert call("LoadImage", image=asked)[0].shape == (1, 24, 32, 3)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF"])
def test_a_picture_that_lacks_its_end_is_loaded_with_a_warning(
    form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "input" / "a.img"
    Image.fromarray(gradient()).save(path, form)
    whole = call("LoadImage", image="a.img")[0]
    assert not caplog.records
    path.write_bytes(path.read_bytes()[:-2])
    loaded = call("LoadImage", image="a.img")[0]
    assert loaded.shape == whole.shape
    assert (loaded - whole).abs().mean() < 0.1
    assert "a.img is cut off" in caplog.text


def test_grey_of_sixteen_bits_is_not_clipped(tmp_path: Path):
    ramp = np.linspace(0, 65535, 32 * 24).astype(np.uint16).reshape(24, 32)
    Image.fromarray(ramp).save(tmp_path / "input" / "a.png")
    levels = call("LoadImage", image="a.png")[0][0, ..., 0].numpy()
    assert np.abs(levels - ramp / 65535).max() <= 0.5 / 255 + 1e-6
    mask = call("LoadImageMask", image="a.png", channel="red")[0][0].numpy()
    assert np.abs(mask - ramp / 65535).max() <= 0.5 / 255 + 1e-6


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path: Path):
    (tmp_path / "input" / "large.png").write_bytes(png(13300, 13300))
    frames = [Image.new("P", (6700, 6700), number) for number in range(2)]
    frames[0].save(tmp_path / "input" / "long.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "input" / "notes.png").write_text("no picture")
    for name in ("large.png", "long.gif", "notes.png"):
        with pytest.raises(
            WorkflowError, match=f"{name} (has more than 89 million pixels|is none)"
        ):
            call("LoadImage", image=name)
        # By its headers, before anything is sent.
        problem = NODE_CLASSES["LoadImage"].VALIDATE_INPUTS(image=name)  # type: ignore[attr-defined]
        assert name in problem
        assert str(tmp_path) not in problem
    assert NODE_CLASSES["LoadImageMask"].VALIDATE_INPUTS(image="large.png") is not True  # type: ignore[attr-defined]


PIXEL = torch.zeros(1, 64, 64, 3)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("RepeatImageBatch", {"image": PIXEL, "amount": 30_000}),
        (
            "ImageBatch",
            {
                "image1": PIXEL.expand(15_000, -1, -1, -1),
                "image2": PIXEL.expand(15_000, -1, -1, -1),
            },
        ),
        (
            "ImageScale",
            {
                "image": PIXEL,
                "upscale_method": "area",
                "width": 16384,
                "height": 16384,
                "crop": "disabled",
            },
        ),
        (
            "ImageStitch",
            {
                "image1": torch.zeros(1, 1, 1, 3).expand(1, 9000, 5000, 3),
                "image2": torch.zeros(1, 1, 1, 3).expand(1, 9000, 5000, 3),
                "direction": "right",
                "match_image_size": True,
                "spacing_width": 0,
                "spacing_color": "white",
            },
        ),
        (
            "ImageStitch",
            {
                "image1": torch.zeros(1, 1, 1, 3).expand(1, 9000, 9000, 3),
                "image2": torch.zeros(2, 8, 8, 3),
                "direction": "right",
                "match_image_size": False,
                "spacing_width": 0,
                "spacing_color": "white",
            },
        ),
        (
            "ImageGrid",
            {
                "images": [PIXEL.expand(100, -1, -1, -1)],
                "columns": [20],
                "cell_width": [2048],
                "cell_height": [2048],
                "padding": [0],
            },
        ),
    ],
)
def test_nodes_that_would_fill_the_memory_refuse(name: str, inputs: dict[str, Any]):
    with pytest.raises(WorkflowError, match="have more than 89 million pixels"):
        call(name, **inputs)


def test_texts_that_double_for_ever_end():
    text = "x" * 6_000_000
    with pytest.raises(WorkflowError, match="12000000 characters"):
        call("StringConcatenate", string_a=text, string_b=text, delimiter="")
