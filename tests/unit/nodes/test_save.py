from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.pictures import FRAMES, gradient, moving, png_of
from visioncraft.nodes import NODE_CLASS_MAPPINGS, comfy
from visioncraft.nodes.headless import folders
from visioncraft.nodes.headless.execution import HeadlessHost
from visioncraft.nodes.headless.folders import Folders
from visioncraft.nodes.video import playable
from visioncraft.visioncraft_core.errors import SaveFailed
from visioncraft.visioncraft_core.generation.results import File
from visioncraft.visioncraft_core.media.animations import decode_animation

SAVE: Any = NODE_CLASS_MAPPINGS["VisionCraftSaveOriginal"]


class Silent:
    def said(self, *_: Any) -> None: ...

    def finished(self, *_: Any) -> None: ...

    def failed(self, *_: Any) -> None: ...


@pytest.mark.parametrize(
    ("kind", "name"), [("gif", "x_00001_.gif"), ("jpeg", "x_00001_.jpg"), ("mp4", "x_00001_.mp4")]
)
def test_the_very_bytes_are_saved_under_the_suffix_of_their_kind(
    kind: Any, name: str, tmp_path: Path
):
    folders.current.set(Folders(tmp_path, ()))
    comfy.use(HeadlessHost(Silent(), "auto"))
    content = moving("GIF", FRAMES, 80) if kind == "gif" else b"any bytes"
    shown = SAVE().save(File(content, kind), "a/x")["ui"]
    assert (tmp_path / "a" / name).read_bytes() == content
    assert shown["images"][0].path.name == name
    assert shown["animated"] == (kind != "jpeg",)


def test_the_canvas_plays_a_webp_of_a_gif_with_the_same_times():
    played = decode_animation(
        playable(decode_animation(moving("GIF", FRAMES, [100, 200, 300, 400])))
    )
    assert played.delays == pytest.approx((0.1, 0.2, 0.3, 0.4))


def test_without_a_host_there_is_no_folder_to_save_in():
    with pytest.raises(SaveFailed, match="no output folder"):
        SAVE().save(File(png_of(gradient()), "png"))


def test_it_runs_although_nothing_is_wired_to_it():
    assert SAVE.OUTPUT_NODE is True
