from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from help_pages import main
from node_pages import Node, overview
from support.paths import ROOT
from visioncraft.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from visioncraft.visioncraft_core.api.catalogs import Catalogs, bundled
from visioncraft.visioncraft_core.api.endpoints import GenerateXL, ImageToVideo, Upscale


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


class Plain:
    """A node as simple as can be, for what no real one declares."""

    DESCRIPTION = "Weighs <b>this</b> | that."
    RETURN_TYPES = ("IMAGE", "INT")
    RETURN_NAMES = ("found", "count")
    OUTPUT_TOOLTIPS = ("a | b", "how many")
    OUTPUT_IS_LIST = (True, False)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "few": (["red", "blue"], {"default": "blue", "tooltip": "A <i>colour</i>."}),
                "many": ([f"name {n}" for n in range(9)], {"tooltip": "A name."}),
                "size": ("INT", {"default": 8, "min": 8, "max": 64, "step": 8, "tooltip": "."}),
                "tag": ("STRING", {"default": "<x|y>", "tooltip": "A tag."}),
            }
        }


def page_of(cls: Any, examples: dict[str, set[str]] | None = None) -> str:
    return Node("Some", "Some Node", cls).page(examples or {})


def request_node(asked: type) -> Any:
    return type("Asking", (Plain,), {"REQUEST": asked, "own_inputs": classmethod(lambda _: {})})


def section(node_id: str, title: str) -> str:
    text = (ROOT / "web" / "docs" / f"{node_id}.md").read_text("utf-8")
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_every_node_has_a_page_and_every_page_a_node():
    pages = (ROOT / "web" / "docs").glob("*.md")
    assert {path.stem for path in pages} == set(NODE_CLASS_MAPPINGS)


def test_the_catalogs_that_a_user_has_seen_do_not_change_the_pages(home: Path):
    Catalogs(home, "").save("models", ["only-mine"])
    assert main(["--check"]) == 0


def test_a_check_changes_nothing(copy: Path):
    page = copy / "web" / "docs" / "VisionCraftLLM.md"
    page.write_text("old", "utf-8")
    assert main(["--check", "--root", str(copy)]) == 1
    assert page.read_text("utf-8") == "old"


def test_a_stale_readme_is_repaired_between_its_markers_only(copy: Path):
    readme = copy / "README.md"
    right = readme.read_text("utf-8")
    start = right.index("| Node |")
    readme.write_text(right[:start] + "| wrong |\n" + right[start:] + "My own words.\n", "utf-8")
    main(["--update", "--root", str(copy)])
    assert readme.read_text("utf-8") == right + "My own words.\n"


def test_a_readme_without_markers_is_left_alone(copy: Path):
    (copy / "README.md").write_text("# Mine\n", "utf-8")
    with pytest.raises(SystemExit, match="no place for the nodes"):
        main(["--update", "--root", str(copy)])
    assert (copy / "README.md").read_text("utf-8") == "# Mine\n"


def test_it_needs_no_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from help_pages import main; sys.exit(main(['--check']))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_short_list_of_choices_is_shown_and_a_long_one_counted():
    page = page_of(Plain)
    assert "| `blue` | `red` or `blue` |" in page
    assert "| one of 9 names |" in page
    assert "name 5" not in page


def test_a_long_catalog_is_counted_as_bundled():
    count = len(bundled()["models"])
    assert f"| {count} names bundled |" in section("VisionCraftGenerate", "Inputs")


def test_limits_and_step_of_a_number_are_shown():
    assert "| `8` | 8 to 64 in steps of 8 |" in page_of(Plain)


def test_bars_and_angle_brackets_are_escaped_everywhere():
    page = page_of(Plain)
    assert "Weighs &lt;b>this&lt;/b> \\| that." in page
    assert "| A &lt;i>colour&lt;/i>. |" in page
    assert "| &lt;x\\|y> |" in page
    assert "| a \\| b |" in page
    assert "<" not in page


def test_an_output_that_is_a_list_says_so():
    assert "| `found` | list of `IMAGE` |" in page_of(Plain)
    assert "| `count` | `INT` |" in page_of(Plain)


def test_premium_is_marked_on_the_page_and_in_the_table():
    node = Node("Some", "Some Node", request_node(ImageToVideo))
    assert "**Premium:**" in node.page({})
    assert "`/img2video`, **premium** |" in overview([node])


def test_what_is_free_in_a_partly_paid_request_is_named():
    node = Node("Some", "Some Node", request_node(GenerateXL))
    assert "**Free** with `model` `sdxl-turbo` or `playground-V2`" in node.page({})
    assert "`/generate-xl`, partly **premium** |" in overview([node])


def test_a_request_for_everyone_says_nothing_of_premium():
    node = Node("Some", "Some Node", request_node(Upscale))
    assert "remium" not in node.page({}) + overview([node])


def test_a_node_without_a_request_claims_nothing_about_sending():
    assert "sent" not in page_of(Plain)


def test_blank_fields_that_are_left_out_are_named():
    sent = section("VisionCraftGenerate", "What is sent")
    assert "Left out while blank: `negative_prompt` and `loras`." in sent


def test_a_field_that_is_no_input_is_told_with_the_inputs_it_is_made_from():
    sent = section("VisionCraftLLM", "What is sent")
    assert "The node makes `messages` from `prompt`, `system` and `history`." in sent


def test_the_example_of_the_class_comes_before_others_with_the_node():
    shown = type("Shown", (Plain,), {"EXAMPLE": "mine"})
    examples = {"big": {"Some", "A", "B"}, "small": {"Some"}, "other": {"A"}, "mine": {"C"}}
    assert page_of(shown, examples).endswith(", `mine`, `small` or `big`.\n")


def test_an_example_that_does_not_exist_is_not_named():
    assert "Templates" not in page_of(type("Shown", (Plain,), {"EXAMPLE": "mine"}))


def test_a_node_in_a_subgraph_of_an_example_is_found(copy: Path):
    for path in (copy / "example_workflows").iterdir():
        path.unlink()
    inner = {"nodes": [{"type": "VisionCraftServer"}]}
    saved = {"nodes": [], "definitions": {"subgraphs": [inner]}}
    (copy / "example_workflows" / "deep.json").write_text(json.dumps(saved), "utf-8")
    main(["--update", "--root", str(copy)])
    assert "`deep`." in (copy / "web" / "docs" / "VisionCraftServer.md").read_text("utf-8")
