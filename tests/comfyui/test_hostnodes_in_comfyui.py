"""Each node of the headless runner against its namesake in a real ComfyUI.

The nodes follow ComfyUI 0.3.64; what later ones do otherwise is compared with a 0.3 only. SaveText
and ImageGrid are younger, and ImageFromBatch is the later one: COMFYUI_PATH can name a 0.33 for
them.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import requests
from PIL import Image, ImageSequence
from support.comfyui import ComfyUI, skip_without_comfyui
from support.pictures import gradient, png_of
from visioncraft.nodes import tensors
from visioncraft.nodes.headless import folders
from visioncraft.nodes.headless.folders import Folders
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES
from visioncraft.nodes.video_input import Video
from visioncraft.visioncraft_core.media.animations import decode_animation

from comfyui.test_in_comfyui import assert_same, headless, save, saved

skip_without_comfyui()

WORKFLOW = {"workflow": {"nodes": [], "extra": {"note": "größer"}}}
YOUNGER = {"SaveText", "ImageGrid", "ImageFromBatch"}
SAVERS = [name for name, cls in NODE_CLASSES.items() if getattr(cls, "OUTPUT_NODE", False)]
LIMITS = ("default", "min", "max", "step", "forceInput", "multiline")


def version_of(comfyui: ComfyUI) -> str:
    stats = requests.get(f"{comfyui.url}/system_stats", timeout=30).json()
    return stats["system"]["comfyui_version"]


def skip_if_newer(comfyui: ComfyUI) -> None:
    version = version_of(comfyui)
    if not version.startswith("0.3."):
        pytest.skip(f"ComfyUI {version} does this otherwise than 0.3.64")


def skip_if_older(comfyui: ComfyUI) -> None:
    version = version_of(comfyui)
    if version.startswith("0.3."):
        pytest.skip(f"ComfyUI {version} does this otherwise than 0.33")


@pytest.fixture
def reference(comfyui: ComfyUI) -> ComfyUI:
    """A ComfyUI that does all as 0.3.64 does."""
    skip_if_newer(comfyui)
    return comfyui


def described(name: str, comfyui: ComfyUI) -> dict[str, Any]:
    """What ComfyUI tells of a node; skips the test where it has no such node."""
    answer = requests.get(f"{comfyui.url}/object_info/{name}", timeout=30).json()
    if name not in answer:
        pytest.skip(f"this ComfyUI has no {name}")
    return answer[name]


def inputs_of(declared: dict[str, Any]) -> list[tuple[str, str, Any, dict[str, Any]]]:
    """Category, name, type or choices, and limits of each input, in order."""
    found = []
    for category in ("required", "optional"):
        for name, (kind, *rest) in declared.get(category, {}).items():
            options = rest[0] if rest else {}
            choices = options.get("options", []) if kind == "COMBO" else kind
            limits = {key: options[key] for key in LIMITS if options.get(key) not in (None, False)}
            found.append((category, name, choices, limits))
    return found


@pytest.fixture
def photo(comfyui: ComfyUI, tmp_path: Path) -> Path:
    """A picture with transparency and odd sides that both sides can load as photo.png."""
    picture = png_of(np.dstack([gradient(61, 37), gradient(61, 37)[..., 0]]))
    (comfyui.base / "input" / "photo.png").write_bytes(picture)
    path = tmp_path / "photo.png"
    path.write_bytes(picture)
    return path


@pytest.fixture
def run_folders(tmp_path: Path) -> Iterator[Folders]:
    """The folders of our own nodes when they are called without a run."""
    current = Folders(tmp_path / "out", (tmp_path,))
    before = folders.current.set(current)
    yield current
    folders.current.reset(before)


def call(name: str, **inputs: Any) -> Any:
    cls: Any = NODE_CLASSES[name]
    return getattr(cls(), cls.FUNCTION)(**inputs)


@pytest.mark.parametrize("name", sorted(NODE_CLASSES))
def test_a_host_node_declares_the_inputs_of_the_real_one(
    name: str, comfyui: ComfyUI, photo: Path, run_folders: Folders
):
    (skip_if_older if name in YOUNGER else skip_if_newer)(comfyui)
    real = described(name, comfyui)
    declared: Any = NODE_CLASSES[name]
    ours = declared.INPUT_TYPES()
    if "image_upload" in str(ours):  # the names of the files there are, which tests leave behind
        real["input"]["required"]["image"][0] = ours["required"]["image"][0]
    assert inputs_of(ours) == inputs_of(real["input"])
    assert set(ours.get("hidden", {})) <= set(real["input"].get("hidden", {}))
    assert getattr(declared, "OUTPUT_NODE", False) == real["output_node"]
    # Ours may have more outputs than 0.3.64, where savers have none.
    assert list(declared.RETURN_TYPES)[: len(real["output"])] == real["output"]


@pytest.mark.parametrize("name", SAVERS)
def test_a_saver_passes_on_what_that_of_a_later_comfyui_does(name: str, comfyui: ComfyUI):
    skip_if_older(comfyui)
    declared: Any = NODE_CLASSES[name]
    assert list(declared.RETURN_TYPES) == described(name, comfyui)["output"]


def test_what_a_saver_passes_on_can_be_used(comfyui: ComfyUI, photo: Path, tmp_path: Path):
    skip_if_older(comfyui)
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
        "2": save("1", prefix="passed/on"),
        "3": {"class_type": "ImageInvert", "inputs": {"image": ["2", 0]}},
        "4": save("3", prefix="passed/inverted"),
    }
    workflow = tmp_path / "passed.json"
    workflow.write_text(json.dumps(graph))
    ours = headless(workflow, tmp_path / "out")
    assert_same(ours, comfyui.run(graph), tmp_path / "out", comfyui)


@pytest.mark.parametrize("first", [-7, -3, -1, 0, 2, 9])
def test_a_picture_is_picked_from_either_end(
    first: int, comfyui: ComfyUI, photo: Path, tmp_path: Path
):
    skip_if_older(comfyui)
    picked = {"image": ["5", 0], "batch_index": first, "length": 2}
    graph = moving(
        {"class_type": "ImageFromBatch", "inputs": picked}, save("6", prefix=f"picked/{first}")
    )
    workflow = tmp_path / "picked.json"
    workflow.write_text(json.dumps(graph))
    ours = headless(workflow, tmp_path / "out")
    assert_same(ours, comfyui.run(graph), tmp_path / "out", comfyui)


def test_an_exported_video_workflow_runs_here_and_there(
    comfyui: ComfyUI, photo: Path, tmp_path: Path
):
    skip_if_older(comfyui)
    codec = {"format.codec": "h264", "format.codec.encoding": "auto", "codec": "auto"}
    film = {"filename_prefix": "exported/film", "format": "mp4", **codec}
    graph = moving(
        {"class_type": "CreateVideo", "inputs": {"images": ["5", 0], "fps": 8.0}},
        {"class_type": "SaveVideo", "inputs": {"video": ["6", 0], **film}},
    )
    workflow = tmp_path / "exported.json"
    workflow.write_text(json.dumps(graph))
    (ours,) = headless(workflow, tmp_path / "out")["7"]["images"]
    (theirs,) = comfyui.run(graph)["7"]["images"]
    assert {**ours, **theirs} == ours


def told(path: Path) -> dict[str, Any]:
    """All that a saved animation or video says beside its pixels."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as film:
            stream = film.streams.video[0]
            picture = (stream.codec.name, stream.width, stream.height, stream.pix_fmt)
            sound = [(s.codec.name, s.rate, s.duration) for s in film.streams.audio]
            times = [p.pts * p.time_base for p in film.demux(stream) if p.pts is not None]
            return {"picture": picture, "sound": sound, "times": times, **tags(film.metadata)}
    with Image.open(path) as image:
        frames = list(ImageSequence.Iterator(image))
        delays = [frame.load() and frame.info.get("duration") for frame in frames]
        members = image.getexif().items() if path.suffix == ".webp" else comf(path)
        texts = {key: text.partition(":")[::2] for key, text in members if isinstance(text, str)}
        return {
            "delays": delays,
            "loop": image.info.get("loop"),
            "members": {key: (name, meant(name, text)) for key, (name, text) in texts.items()},
        }


def comf(path: Path) -> list[tuple[int, str]]:
    """Position after the pixels, and "name:JSON", of each chunk that ComfyUI adds to an APNG."""
    content, at, found, pixels = path.read_bytes(), 8, [], False
    while at < len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        pixels = pixels or kind == b"IDAT"
        if kind == b"comf":
            assert pixels
            name, text = content[at + 8 : at + 8 + length].decode("latin-1").split("\0")
            found.append((len(found), f"{name}:{text}"))
        at += 12 + length
    return found


def tags(metadata: dict[str, str]) -> dict[str, Any]:
    return {name: meant(name, text) for name, text in metadata.items()}


def meant(name: str, text: str) -> Any:
    """The value of a member; of a prompt only what was asked, as ComfyUI adds notes of its own."""
    if name == "prompt":
        return {node_id: node["inputs"] for node_id, node in json.loads(text).items()}
    return json.loads(text) if name == "workflow" else text


def moving(*nodes: dict[str, Any], amount: int = 3) -> dict[str, Any]:
    """photo.png (node 1) at even size (2), its negative (3), both (4), and both repeated (5)."""
    even = {"upscale_method": "area", "width": 64, "height": 48, "crop": "center"}
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
        "2": {"class_type": "ImageScale", "inputs": {"image": ["1", 0], **even}},
        "3": {"class_type": "ImageInvert", "inputs": {"image": ["2", 0]}},
        "4": {"class_type": "ImageBatch", "inputs": {"image1": ["2", 0], "image2": ["3", 0]}},
        "5": {"class_type": "RepeatImageBatch", "inputs": {"image": ["4", 0], "amount": amount}},
    }
    return {**graph, **{str(number): node for number, node in enumerate(nodes, 6)}}


def our_frames(graph: dict[str, Any]) -> Any:
    """What node 5 of `moving` gives."""
    image = call("LoadImage", image="photo.png")[0]
    even = call("ImageScale", **{**graph["2"]["inputs"], "image": image})[0]
    both = call("ImageBatch", image1=even, image2=call("ImageInvert", image=even)[0])[0]
    return call("RepeatImageBatch", image=both, amount=graph["5"]["inputs"]["amount"])[0]


def assert_told_alike(ours: dict[str, Any], theirs: dict[str, Any], comfyui: ComfyUI) -> None:
    """One result of our node and of theirs: name, frames, times, metadata and `ui`."""
    mine = ours["ui"]["images"][0]
    (real,) = saved({"x": theirs}, comfyui.base / "output")["x"]
    assert mine.shown() == theirs["images"][0]
    assert list(ours["ui"]["animated"]) == theirs["animated"]
    assert told(mine.path) == told(real)
    if mine.path.suffix == ".mp4":
        # Not pixel by pixel: x264 does not repeat every film to the last bit. It notes in the film
        # each setting that it worked with; those and the pictures, at a glance, are the same.
        assert x264_settings(mine.path) == x264_settings(real)
        difference = frames(mine.path).astype(int) - frames(real)
        assert np.abs(difference).mean(axis=(1, 2, 3)).max() < 6
    else:
        assert np.array_equal(frames(mine.path), frames(real))


def x264_settings(path: Path) -> list[bytes]:
    return re.findall(rb"options: ([ -~]+)", path.read_bytes())


def frames(path: Path) -> np.ndarray:
    if path.suffix == ".mp4":
        with av.open(str(path)) as film:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])
    with Image.open(path) as image:
        return np.stack(
            [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
        )


@pytest.mark.parametrize("fps", [0.5, 7.0, 12.5, 1000.0])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SaveAnimatedWEBP", {"lossless": True, "quality": 80, "method": "default"}),
        ("SaveAnimatedWEBP", {"lossless": False, "quality": 30, "method": "slowest"}),
        ("SaveAnimatedPNG", {"compress_level": 4}),
    ],
    ids=["lossless", "lossy", "png"],
)
def test_an_animation_holds_what_the_real_one_does(
    name: str,
    options: dict[str, Any],
    fps: float,
    comfyui: ComfyUI,
    photo: Path,
    run_folders: Folders,
):
    prefix = f"moving/{name}{fps}{len(str(options))}%width%"
    inputs = {"fps": fps, "filename_prefix": prefix, **options}
    graph = moving({"class_type": name, "inputs": {"images": ["5", 0], **inputs}})
    theirs = comfyui.run(graph, extra_data={"extra_pnginfo": WORKFLOW})["6"]
    ours = call(name, images=our_frames(graph), prompt=graph, extra_pnginfo=WORKFLOW, **inputs)
    assert len(told(ours["ui"]["images"][0].path)["members"]) == 2
    assert_told_alike(ours, theirs, comfyui)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SaveAnimatedWEBP", {"lossless": True, "quality": 80, "method": "default"}),
        ("SaveAnimatedPNG", {"compress_level": 4}),
    ],
)
def test_a_single_picture_as_animation_is_called_what_the_real_one_calls_it(
    name: str, options: dict[str, Any], reference: ComfyUI, photo: Path, run_folders: Folders
):
    inputs = {"fps": 6.0, "filename_prefix": f"single/{name}", **options}
    graph = moving({"class_type": name, "inputs": {"images": ["1", 0], **inputs}})
    theirs = reference.run(graph)["6"]
    image = call("LoadImage", image="photo.png")[0]
    assert_told_alike(call(name, images=image, prompt=graph, **inputs), theirs, reference)


@pytest.mark.parametrize("codec", ["auto", "h264"])
@pytest.mark.parametrize("fps", [1.0, 23.976, 120.0])
def test_a_video_of_frames_is_the_real_one(
    fps: float, codec: str, reference: ComfyUI, photo: Path, run_folders: Folders
):
    inputs = {"filename_prefix": f"film/{fps}{codec}-%height%", "format": "mp4", "codec": codec}
    graph = moving(
        {"class_type": "CreateVideo", "inputs": {"images": ["5", 0], "fps": fps}},
        {"class_type": "SaveVideo", "inputs": {"video": ["6", 0], **inputs}},
    )
    theirs = reference.run(graph, extra_data={"extra_pnginfo": WORKFLOW})["7"]
    film = call("CreateVideo", images=our_frames(graph), fps=fps)[0]
    ours = call("SaveVideo", video=film, prompt=graph, extra_pnginfo=WORKFLOW, **inputs)
    assert {"prompt", "workflow"} <= set(told(ours["ui"]["images"][0].path))
    assert_told_alike(ours, theirs, reference)


def video_of(content: bytes) -> Video:
    animation = decode_animation(content)
    return Video(tensors.frames(animation.frames), animation.rate, content)


def film_file(codec: str, *, sound: bool) -> bytes:
    """Five frames of 64 x 48 at 30000/1001 a second, with tags of its own."""
    buffer = io.BytesIO()
    options = {"movflags": "use_metadata_tags"}
    with av.open(buffer, "w", format="mp4", options=options) as output:
        output.metadata.update({"title": "as it came", "workflow": "old"})
        video: Any = output.add_stream(codec, rate=Fraction(30000, 1001))
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio: Any = output.add_stream("aac", rate=48000) if sound else None
        for number in range(5):
            pixels = np.roll(gradient(64, 48), 8 * number, axis=1)
            output.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        output.mux(video.encode(None))
        if audio:
            wave = np.sin(np.arange(8192, dtype=np.float32) / 20)[None]
            tone = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            tone.sample_rate, tone.pts = 48000, 0
            output.mux(audio.encode(tone))
            output.mux(audio.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "sound", "codec"),
    [
        ("h264", False, "auto"),
        ("h264", True, "auto"),
        ("h264", True, "h264"),
        ("mpeg4", True, "auto"),
        ("mpeg4", False, "h264"),
    ],
)
def test_a_video_of_a_file_is_the_real_one(
    kind: str,
    sound: bool,  # noqa: FBT001
    codec: str,
    reference: ComfyUI,
    run_folders: Folders,
):
    content = film_file(kind, sound=sound)
    name = f"{kind}{sound}{codec}"
    (reference.base / "input" / f"{name}.mp4").write_bytes(content)
    inputs = {"filename_prefix": f"file/{name}", "format": "auto", "codec": codec}
    graph = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": f"{name}.mp4"}},
        "2": {"class_type": "SaveVideo", "inputs": {"video": ["1", 0], **inputs}},
    }
    theirs = reference.run(graph, extra_data={"extra_pnginfo": WORKFLOW})["2"]
    film = video_of(content)
    ours = call("SaveVideo", video=film, prompt=graph, extra_pnginfo=WORKFLOW, **inputs)
    assert_told_alike(ours, theirs, reference)


@pytest.mark.parametrize("kind", ["h264", "mpeg4"])
def test_a_file_is_taken_apart_as_the_real_node_does(
    kind: str, reference: ComfyUI, run_folders: Folders
):
    content = film_file(kind, sound=False)
    (reference.base / "input" / f"apart{kind}.mp4").write_bytes(content)
    graph = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": f"apart{kind}.mp4"}},
        "2": {"class_type": "GetVideoComponents", "inputs": {"video": ["1", 0]}},
        "3": save("2", prefix=f"apart/{kind}"),
        "4": {"class_type": "PreviewAny", "inputs": {"source": ["2", 2]}},
        "5": {"class_type": "PreviewAny", "inputs": {"source": ["2", 1]}},
    }
    theirs = reference.run(graph)
    images, audio, fps = call("GetVideoComponents", video=video_of(content))
    ours = call("SaveImage", images=images, filename_prefix=f"apart/{kind}")["ui"]["images"]
    real = saved(theirs, reference.base / "output")["3"]
    assert [entry.path.name for entry in ours] == [path.name for path in real]
    for mine, its in zip(ours, real, strict=True):
        assert np.array_equal(frames(mine.path), frames(its))
    assert [str(fps)] == theirs["4"]["text"]
    assert [str(audio)] == theirs["5"]["text"]


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        ("txt", "größer\n2"),
        ("csv", "a,b"),
        ("md", "# a"),
        ("json", '{"ä":[1]}'),
        ("json", "not so"),
    ],
)
def test_a_text_is_saved_as_the_real_node_does(
    format_: str, text: str, comfyui: ComfyUI, run_folders: Folders
):
    described("SaveText", comfyui)
    inputs = {"filename_prefix": f"text/{format_}{len(text)}", "format": format_}
    graph = {
        "1": {"class_type": "PrimitiveStringMultiline", "inputs": {"value": text}},
        "2": {"class_type": "SaveText", "inputs": {"text": ["1", 0], **inputs}},
    }
    theirs = comfyui.run(graph)["2"]
    ours = call("SaveText", text=text, **inputs)["ui"]
    mine = ours["files"][0]
    assert mine.shown() == theirs["files"][0]
    (real,) = saved({"2": theirs}, comfyui.base / "output")["2"]
    assert mine.path.read_bytes() == real.read_bytes()
    assert ours["text"] == theirs["text"]


@pytest.mark.parametrize(("columns", "padding"), [(1, 0), (4, 5), (20, 50)])
def test_a_grid_is_the_real_one(
    columns: int, padding: int, comfyui: ComfyUI, photo: Path, run_folders: Folders, tmp_path: Path
):
    described("ImageGrid", comfyui)
    cells = {"columns": columns, "cell_width": 40, "cell_height": 57, "padding": padding}
    grid = {"class_type": "ImageGrid", "inputs": {"images": ["5", 0], **cells}}
    graph = moving(grid, save("6", prefix=f"grid/{columns}"))
    workflow = tmp_path / "grid.json"
    workflow.write_text(json.dumps(graph))
    theirs = comfyui.run(graph)
    assert_same(headless(workflow, tmp_path / "out"), theirs, tmp_path / "out", comfyui)


@pytest.mark.parametrize("spacing", [0, 5, 6])
def test_a_gap_of_odd_width_is_stitched_as_the_real_node_does(
    spacing: int, comfyui: ComfyUI, photo: Path, run_folders: Folders, tmp_path: Path
):
    look = {"direction": "right", "match_image_size": False, "spacing_color": "green"}
    pair = {"image1": ["1", 0], "image2": ["2", 0], "spacing_width": spacing}
    stitch = {"class_type": "ImageStitch", "inputs": {**look, **pair}}
    graph = moving(stitch, save("6", prefix=f"gap/{spacing}"))
    workflow = tmp_path / "gap.json"
    workflow.write_text(json.dumps(graph))
    theirs = comfyui.run(graph)
    assert_same(headless(workflow, tmp_path / "out"), theirs, tmp_path / "out", comfyui)


@pytest.mark.parametrize(
    "there",
    [
        ["cat_12monkeys_00001_.png"],
        ["cat_12_monkeys.png", "cat_00003_.webp"],
        ["cats_00009_.png", "a cat_00009_.png", "cat-00009_.png"],
        ["cat_00009.txt", "cat_.png", "cat_9 lives_.png", "cat_-5_.png"],
        ["CAT_00004_.png", "cat_123456_.png"],
    ],
)
def test_files_are_counted_as_the_real_one_does(
    there: list[str], reference: ComfyUI, photo: Path, run_folders: Folders
):
    prefix = f"counted/{len(there)}{len(there[0])}/cat"
    for root in (reference.base / "output", run_folders.root("output")):
        (root / prefix).parent.mkdir(parents=True)
        for name in there:
            (root / prefix).with_name(name).touch()
    graph = {"1": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}}}
    theirs = reference.run({**graph, "2": save("1", prefix=prefix)})["2"]
    image = call("LoadImage", image="photo.png")[0]
    (mine,) = call("SaveImage", images=image, filename_prefix=prefix)["ui"]["images"]
    assert mine.shown() == theirs["images"][0]


def host_graph() -> dict[str, Any]:
    graph: dict[str, Any] = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
        "2": {"class_type": "PrimitiveString", "inputs": {"value": "a"}},
        "3": {"class_type": "PrimitiveStringMultiline", "inputs": {"value": "b\nc"}},
        "4": {
            "class_type": "StringConcatenate",
            "inputs": {"string_a": ["2", 0], "string_b": ["3", 0], "delimiter": " + "},
        },
        "5": {"class_type": "PreviewAny", "inputs": {"source": ["4", 0]}},
        "6": {"class_type": "PrimitiveInt", "inputs": {"value": 40}},
        "7": {"class_type": "PrimitiveFloat", "inputs": {"value": 0.5}},
        "8": {"class_type": "PreviewAny", "inputs": {"source": ["7", 0]}},
        "9": save("1", prefix="host/%width%x%height%"),
    }
    sizes = [
        (40, 24, "disabled"),
        (["6", 0], 40, "center"),
        (30, 50, "center"),
        (0, 17, "disabled"),
    ]
    methods = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
    for number, (method, (width, height, crop)) in enumerate(
        (method, size) for method in methods for size in sizes
    ):
        inputs = {"upscale_method": method, "width": width, "height": height, "crop": crop}
        graph[f"{number}s"] = {"class_type": "ImageScale", "inputs": {"image": ["1", 0], **inputs}}
        graph[f"{number}b"] = {
            "class_type": "ImageBatch",
            "inputs": {"image1": ["1", 0], "image2": [f"{number}s", 0]},
        }
        graph[f"{number}t"] = save(f"{number}s", prefix=f"host/{number}s")
        graph[f"{number}u"] = save(f"{number}b", prefix=f"host/{number}b")
    return {**graph, **more_host_nodes()}


def more_host_nodes() -> dict[str, Any]:
    """Masks, batches, grids, animations and video."""
    graph: dict[str, Any] = {}
    for channel in ("alpha", "red", "green", "blue"):
        load_mask = {"image": "photo.png", "channel": channel}
        graph[f"{channel}1"] = {"class_type": "LoadImageMask", "inputs": load_mask}
        graph[f"{channel}2"] = {"class_type": "InvertMask", "inputs": {"mask": [f"{channel}1", 0]}}
        graph[f"{channel}3"] = {"class_type": "MaskToImage", "inputs": {"mask": [f"{channel}2", 0]}}
        graph[f"{channel}4"] = save(f"{channel}3", prefix=f"host/{channel}")
    graph["m1"] = {"class_type": "RepeatImageBatch", "inputs": {"image": ["0b", 0], "amount": 3}}
    graph["m2"] = {
        "class_type": "ImageFromBatch",
        "inputs": {"image": ["m1", 0], "batch_index": 1, "length": 4},
    }
    graph["m3"] = {"class_type": "ImageInvert", "inputs": {"image": ["m2", 0]}}
    graph["m4"] = save("m3", prefix="host/inverted")
    for number, (direction, match, color) in enumerate(
        [
            ("right", True, "white"),
            ("down", True, "red"),
            ("left", False, "black"),
            ("up", False, "blue"),
        ]
    ):
        inputs = {"direction": direction, "match_image_size": match, "spacing_width": 6}
        pair = {"image1": ["1", 0], "image2": [f"{number}s", 0], "spacing_color": color}
        graph[f"g{number}"] = {"class_type": "ImageStitch", "inputs": {**inputs, **pair}}
        graph[f"h{number}"] = save(f"g{number}", prefix=f"host/stitched{number}")
    moving = {"images": ["m1", 0], "fps": 12.5}
    webp = {"filename_prefix": "host/moving", "lossless": False, "quality": 70, "method": "fastest"}
    graph["a1"] = {"class_type": "SaveAnimatedWEBP", "inputs": {**moving, **webp}}
    apng = {"filename_prefix": "host/frames", "compress_level": 2}
    graph["a2"] = {"class_type": "SaveAnimatedPNG", "inputs": {**moving, **apng}}
    even = {"upscale_method": "area", "width": 64, "height": 48, "crop": "center"}
    graph["v0"] = {"class_type": "ImageScale", "inputs": {"image": ["m1", 0], **even}}
    graph["v1"] = {"class_type": "CreateVideo", "inputs": {"images": ["v0", 0], "fps": 8.0}}
    graph["v2"] = {"class_type": "GetVideoComponents", "inputs": {"video": ["v1", 0]}}
    graph["v3"] = {"class_type": "PreviewAny", "inputs": {"source": ["v2", 2]}}
    film = {"filename_prefix": "host/film", "format": "auto", "codec": "auto"}
    graph["v4"] = {"class_type": "SaveVideo", "inputs": {"video": ["v1", 0], **film}}
    return graph


def test_the_host_nodes_do_what_the_real_ones_do(reference: ComfyUI, photo: Path, tmp_path: Path):
    workflow = tmp_path / "host.json"
    workflow.write_text(json.dumps(host_graph()))
    theirs = reference.run(host_graph())
    ours = headless(workflow, tmp_path / "out")
    assert_same(ours, theirs, tmp_path / "out", reference)
