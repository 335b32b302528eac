from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from support.processes import run_together
from visioncraft.nodes.headless.folders import Folders
from visioncraft.visioncraft_core.errors import SaveFailed


@pytest.fixture
def run_folders(tmp_path: Path) -> Folders:
    (tmp_path / "in").mkdir()
    return Folders(tmp_path / "out", (tmp_path / "in", tmp_path / "missing"))


def names(run_folders: Folders, prefix: str, count: int = 1, suffix: str = "png") -> list[str]:
    saved = run_folders.save([b"x"] * count, prefix, suffix, "output", (640, 480))
    return [s.path.relative_to(run_folders.root("output")).as_posix() for s in saved]


def test_files_are_numbered_as_comfyui_does(run_folders: Folders):
    assert names(run_folders, "fox") == ["fox_00001_.png"]
    assert names(run_folders, "fox", 2) == ["fox_00002_.png", "fox_00003_.png"]
    assert names(run_folders, "foxes") == ["foxes_00001_.png"]
    assert names(run_folders, "fox", suffix="webp") == ["fox_00004_.webp"]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (["fox_00007_.webp", "fox_00002_.png"], "fox_00008_.png"),
        (["fox_12monkeys_00001_.png"], "fox_00001_.png"),
        (["fox_12_monkeys.png"], "fox_00013_.png"),
        (["foxes_00009_.png", "a fox_00009_.png", "fox-00009_.png"], "fox_00001_.png"),
        (["fox_00009.txt", "fox_.png", "fox_9 lives_.png"], "fox_00001_.png"),
        (["fox_-5_.png"], "fox_00001_.png"),
        (["fox_123456_.png"], "fox_123457_.png"),
    ],
)
def test_only_a_number_of_comfyuis_counts(there: list[str], expected: str, run_folders: Folders):
    run_folders.root("output").mkdir()
    for name in there:
        (run_folders.root("output") / name).touch()
    assert names(run_folders, "fox") == [expected]


@pytest.mark.skipif(os.name == "nt", reason="there Fox and fox are the same file")
def test_capital_letters_count_apart(run_folders: Folders):
    assert names(run_folders, "Fox", 3)[-1] == "Fox_00003_.png"
    assert names(run_folders, "fox") == ["fox_00001_.png"]


def test_what_has_no_tail_is_numbered_as_well(run_folders: Folders):
    for number in (1, 2, 3):
        saved = run_folders.save([b"x"], "fox", "txt", "output", (1, 1), tail="")[0]
        assert saved.path.name == f"fox_{number:05}.txt"


def test_nothing_that_is_there_is_written_over(run_folders: Folders):
    # Its own names do not count, because they hold no "%batch_num%".
    for number in ("00001", "00002"):
        assert names(run_folders, "b%batch_num%") == [f"b0_{number}_.png"]
    assert names(run_folders, "b%batch_num%", 2) == ["b0_00003_.png", "b1_00004_.png"]


SAVES_MANY = """
import sys
from pathlib import Path
from visioncraft.nodes.headless.folders import Folders

run_folders, me = Folders(Path(sys.argv[1]), ()), sys.argv[2].encode()
print("ready", flush=True)
sys.stdin.readline()
for number in range(50):
    contents = [b"%s %d %d" % (me, number, index) for index in range(3)]
    for saved, content in zip(run_folders.save(contents, "fox", "png", "output", (1, 1)), contents):
        assert saved.path.read_bytes() == content
"""


def test_processes_that_save_to_one_folder_lose_no_file(tmp_path: Path):
    run_together(SAVES_MANY, tmp_path)
    saved = sorted(tmp_path.iterdir())
    assert [path.name for path in saved] == [f"fox_{n:05}_.png" for n in range(1, 301)]
    assert len({path.read_bytes() for path in saved}) == 300


def test_a_disk_without_links_keeps_files_whole_and_apart(
    run_folders: Folders, monkeypatch: pytest.MonkeyPatch
):
    def refuses(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuses)
    folder = run_folders.root("output")
    folder.mkdir()
    (folder / "b0_00001_.png").write_bytes(b"older")
    assert names(run_folders, "b%batch_num%") == ["b0_00002_.png"]
    assert (folder / "b0_00001_.png").read_bytes() == b"older"
    assert (folder / "b0_00002_.png").read_bytes() == b"x"
    monkeypatch.setattr(os, "replace", refuses)
    with pytest.raises(SaveFailed, match="Operation not permitted"):
        names(run_folders, "fox")
    assert sorted(p.name for p in folder.iterdir()) == ["b0_00001_.png", "b0_00002_.png"]


def test_a_batch_that_does_not_fit_leaves_none_of_it(run_folders: Folders):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # bytes of one file
    try:
        with pytest.raises(SaveFailed, match="could not be saved"):
            run_folders.save([b"x", b"y" * 2000], "fox", "png", "output", (1, 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(run_folders.root("output").iterdir()) == []


def test_a_prefix_may_hold_folders_and_ends_in_the_shown_form(run_folders: Folders):
    saved = run_folders.save([b"x"], "a/b/fox", "png", "output", (1, 1))[0]
    assert saved.shown() == {"filename": "fox_00001_.png", "subfolder": "a/b", "type": "output"}


def test_a_prefix_may_hold_the_size_and_the_date(run_folders: Folders):
    year = time.strftime("%Y")
    assert names(run_folders, "%width%x%height%-%year%-%nonsense%") == [
        f"640x480-{year}-%nonsense%_00001_.png"
    ]
    assert names(run_folders, "b%batch_num%", 2) == ["b0_00001_.png", "b1_00002_.png"]


@pytest.mark.parametrize("prefix", ["../out2/x", "/etc/x", "a/../../x"])
def test_no_prefix_leads_outside(prefix: str, run_folders: Folders, tmp_path: Path):
    assert names(run_folders, prefix) == ["ComfyUI_00001_.png"]
    assert not (tmp_path / "out2").exists()


@pytest.mark.parametrize(
    ("prefix", "problem"),
    [
        ("../x", "leads outside the output folder"),
        ("/etc/x", "leads outside the output folder"),
        ("a\0b", "has control characters in it"),
        ("a\nb/c", "has control characters in it"),
        ("\x1b[31mred", "has control characters in it"),
        ("x" * 250, "is too long: a file name ends at 255 bytes"),
        ("ä" * 125, "is too long: a file name ends at 255 bytes"),
        (f"{'x' * 256}/y", "is too long: a file name ends at 255 bytes"),
        ("x/" * 3000 + "y", "leads nowhere"),
        ("\ud800", "is no file name"),
        ("file/under", "needs a folder where there is a file"),
        ("circle/x", "is no file name|leads nowhere"),
    ],
)
def test_a_prefix_that_cannot_work_is_told_and_loses_nothing(
    prefix: str, problem: str, run_folders: Folders, caplog: pytest.LogCaptureFixture
):
    folder = run_folders.root("output")
    folder.mkdir()
    (folder / "file").touch()
    (folder / "circle").symlink_to("circle")
    assert re.match(problem, run_folders.prefix_problem(prefix))
    assert names(run_folders, prefix) == ["ComfyUI_00001_.png"]
    assert re.search(f"A filename prefix ({problem}).*is used instead", caplog.text)


@pytest.mark.parametrize(
    "prefix",
    [
        *("", "fox", "new/folder/fox", "a/../b", "folder/", "...", "%year%/%width%", "100 %"),
        *("x" * 243, "ä" * 121, "x" * 255 + "/y", "füchse 🦊 👩\u200d🚀\xa0!", "fox_00001_"),
    ],
)
def test_a_prefix_that_can_work_passes_and_does(prefix: str, run_folders: Folders):
    assert run_folders.prefix_problem(prefix) == ""
    assert not run_folders.root("output").exists()
    assert len(names(run_folders, prefix, suffix="webp")) == 1


def test_an_absolute_prefix_inside_the_output_folder_works_as_in_comfyui(run_folders: Folders):
    prefix = str(run_folders.root("output") / "a" / "fox")
    assert run_folders.prefix_problem(prefix) == ""
    assert names(run_folders, prefix) == ["a/fox_00001_.png"]


def test_a_saved_file_has_ordinary_permissions(run_folders: Folders):
    names(run_folders, "fox")
    mode = (run_folders.root("output") / "fox_00001_.png").stat().st_mode & 0o777
    assert mode == 0o666 & ~_umask()


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def test_an_output_folder_that_is_a_file_is_told_before_anything_runs(tmp_path: Path):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(SaveFailed, match=f"folder {re.escape(str(path))} is not writable.*--out"):
        Folders(path, ()).prepare()


def test_inputs_are_found_in_order_and_nowhere_else(run_folders: Folders, tmp_path: Path):
    (tmp_path / "in" / "a.png").touch()
    (tmp_path / "secret.png").touch()
    names(run_folders, "made")
    assert run_folders.find("a.png") == tmp_path / "in" / "a.png"
    assert run_folders.find("a.png [input]") == tmp_path / "in" / "a.png"
    assert run_folders.find("made_00001_.png [output]")
    assert run_folders.find("../secret.png") is None
    assert run_folders.find(str(tmp_path / "secret.png")) is None
    assert run_folders.input_names() == ["a.png"]


def test_previews_go_to_one_place_that_is_the_users_own(run_folders: Folders, home: Path):
    saved = run_folders.save([b"x"], "p", "png", "temp", (1, 1))[0]
    assert saved.type == "temp"
    assert saved.path == home / "previews" / "p_00001_.png"
    if os.name == "posix":
        assert saved.path.parent.stat().st_mode & 0o777 == 0o700


def test_previews_have_a_place_where_the_users_own_cannot_be_used(
    run_folders: Folders, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    home.mkdir()
    (home / "previews").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run_folders.prepare()
    saved = run_folders.save([b"x"], "p", "png", "temp", (1, 1))[0]
    assert saved.path.parent.parent == tmp_path
    assert saved.path.read_bytes() == b"x"


def test_previews_are_kept_until_no_run_needs_them(run_folders: Folders, home: Path):
    make_preview = (
        "import sys\n"
        "from pathlib import Path\n"
        "from visioncraft.nodes.headless.folders import Folders\n"
        "run_folders = Folders(Path(sys.argv[1]), ())\n"
        "run_folders.prepare()\n"
        "print(run_folders.save([b'x'], sys.argv[2], 'png', 'temp', (1, 1))[0].path, flush=True)\n"
        "sys.stdin.readline()\n"
    )
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", make_preview, str(run_folders.root("output"))]
    first, second = [subprocess.Popen([*command, name], **pipes) for name in ("a", "b")]
    assert first.stdout
    assert second.stdout
    paths = [Path(told.readline().strip()) for told in (first.stdout, second.stdout)]
    second.kill()
    second.communicate(timeout=30)
    run_folders.prepare()
    assert all(path.is_file() for path in paths)  # the first still goes on
    first.communicate("\n", timeout=30)
    assert all(path.is_file() for path in paths)  # somebody may look at them now
    run_folders.prepare()
    assert list((home / "previews").iterdir()) == []
