from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from visioncraft.nodes.headless.folders import Folders
from visioncraft.visioncraft_core.errors import SaveFailed


@pytest.fixture
def places(tmp_path: Path) -> Folders:
    (tmp_path / "in").mkdir()
    return Folders(tmp_path / "out", (tmp_path / "in", tmp_path / "missing"))


def names(places: Folders, prefix: str, count: int = 1, suffix: str = "png") -> list[str]:
    saved = places.save([b"x"] * count, prefix, suffix, "output", (640, 480))
    return [s.path.relative_to(places.place("output")).as_posix() for s in saved]


def test_files_are_numbered_as_comfyui_does(places: Folders):
    assert names(places, "fox") == ["fox_00001_.png"]
    assert names(places, "fox", 2) == ["fox_00002_.png", "fox_00003_.png"]
    assert names(places, "foxes") == ["foxes_00001_.png"]
    assert names(places, "fox", suffix="webp") == ["fox_00004_.webp"]


def test_a_prefix_may_hold_folders_and_ends_in_the_shown_form(places: Folders):
    saved = places.save([b"x"], "a/b/fox", "png", "output", (1, 1))[0]
    assert saved.shown() == {"filename": "fox_00001_.png", "subfolder": "a/b", "type": "output"}


def test_a_prefix_may_hold_the_size_and_the_date(places: Folders):
    year = time.strftime("%Y")
    assert names(places, "%width%x%height%-%year%-%nonsense%") == [
        f"640x480-{year}-%nonsense%_00001_.png"
    ]
    assert names(places, "b%batch_num%", 2) == ["b0_00001_.png", "b1_00002_.png"]


@pytest.mark.parametrize("prefix", ["../out2/x", "/etc/x", "a/../../x"])
def test_no_prefix_leads_outside(prefix: str, places: Folders, tmp_path: Path):
    with pytest.raises(SaveFailed, match="outside the output folder"):
        names(places, prefix)
    assert not (tmp_path / "out2").exists()


def test_nothing_but_whole_files_is_left_behind(places: Folders):
    class Broken(bytes):
        def __buffer__(self, flags: int) -> memoryview:
            raise OSError(28, "No space left on device")

    names(places, "ok")
    folder = places.place("output")
    (folder / "blocked_00001_.png").mkdir()
    (folder / "blocked_00001_.png" / "x").touch()
    with pytest.raises(SaveFailed, match="could not be saved"):
        places.save([b"x", b"y"], "ok_00001_.png/under", "png", "output", (1, 1))
    assert [p.name for p in folder.rglob("*.part")] == []


def test_a_saved_file_has_ordinary_permissions(places: Folders):
    names(places, "fox")
    mode = (places.place("output") / "fox_00001_.png").stat().st_mode & 0o777
    assert mode == 0o666 & ~_umask()


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def test_an_output_folder_that_is_a_file_is_told_before_anything_runs(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(SaveFailed, match="output folder file is not writable.*--out"):
        Folders(tmp_path / "file", ()).prepare()


def test_inputs_are_found_in_order_and_nowhere_else(places: Folders, tmp_path: Path):
    (tmp_path / "in" / "a.png").touch()
    (tmp_path / "secret.png").touch()
    names(places, "made")
    assert places.find("a.png") == tmp_path / "in" / "a.png"
    assert places.find("a.png [input]") == tmp_path / "in" / "a.png"
    assert places.find("made_00001_.png [output]")
    assert places.find("../secret.png") is None
    assert places.find(str(tmp_path / "secret.png")) is None
    assert places.input_names() == ["a.png"]


def test_previews_go_to_a_folder_of_the_system(places: Folders):
    saved = places.save([b"x"], "p", "png", "temp", (1, 1))[0]
    assert saved.type == "temp"
    assert not saved.path.is_relative_to(places.place("output"))
    assert re.fullmatch(r"p_00001_\.png", saved.path.name)
