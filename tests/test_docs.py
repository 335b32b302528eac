from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from visioncraft.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from visioncraft.nodes.docs import main

ROOT = Path(__file__).parent.parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "README.md", tmp_path)
    for folder in ("web/docs", "example_workflows"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_the_committed_pages_and_the_readme_are_up_to_date(capsys: pytest.CaptureFixture[str]):
    assert main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("stale", ["README.md", "web/docs/VisionCraftGif.md"])
def test_a_stale_file_is_named_and_repaired(
    stale: str, copy: Path, capsys: pytest.CaptureFixture[str]
):
    path = copy / stale
    right = path.read_text("utf-8")
    path.write_text(right.replace("Text to GIF", "Text to JIF"), "utf-8")
    assert main(["--check", "--root", str(copy)]) == 1
    assert f"Out of date: {stale}" in capsys.readouterr().out
    assert main(["--update", "--root", str(copy)]) == 0
    assert path.read_text("utf-8") == right


def test_a_page_that_is_missing_is_written_and_one_without_a_node_removed(copy: Path):
    missing, stray = copy / "web/docs/VisionCraftLLM.md", copy / "web/docs/VisionCraftGone.md"
    missing.unlink()
    stray.write_text("# Gone\n")
    assert main(["--check", "--root", str(copy)]) == 1
    assert main(["--update", "--root", str(copy)]) == 0
    assert missing.is_file()
    assert not stray.exists()


def test_a_users_settings_do_not_change_the_pages(monkeypatch: pytest.MonkeyPatch, home: Path):
    home.mkdir()
    (home / "profiles.json").write_text('{"profiles": {"mine": {"key": "a-key-of-mine"}}}')
    monkeypatch.setenv("VISIONCRAFT_API_KEY", "another-key")
    assert main(["--check"]) == 0


@pytest.mark.parametrize("node_id", NODE_CLASS_MAPPINGS)
def test_a_page_names_every_input_and_output_of_its_node(node_id: str):
    cls: Any = NODE_CLASS_MAPPINGS[node_id]
    page = (ROOT / "web" / "docs" / f"{node_id}.md").read_text("utf-8")
    declared = cls.INPUT_TYPES()
    names = [*declared["required"], *declared.get("optional", {}), *cls.RETURN_NAMES]
    assert page.startswith(f"# {NODE_DISPLAY_NAME_MAPPINGS[node_id]}\n")
    assert [name for name in names if f"`{name}`" not in page] == []
    assert "example_workflows" not in page
    assert re.search(r"Templates > ComfyUI-VisionCraft", page)


def test_the_readme_names_every_node():
    readme = (ROOT / "README.md").read_text("utf-8")
    for title in NODE_DISPLAY_NAME_MAPPINGS.values():
        assert f"**[{title}](" in readme
