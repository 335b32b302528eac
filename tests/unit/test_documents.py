"""The README and the help pages say what the code does."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import help_pages
import pytest
import visioncraft
from PIL import Image
from support.paths import EXAMPLES, ROOT
from visioncraft.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from visioncraft.nodes.headless.cli import main
from visioncraft.visioncraft_core import errors
from visioncraft.visioncraft_core.api.catalogs import Catalogs
from visioncraft.visioncraft_core.api.endpoints import ENDPOINTS
from visioncraft.visioncraft_core.profiles.profile import Profile
from visioncraft.visioncraft_core.profiles.profiles import Profiles

PAGES = ROOT / "web" / "docs"
README = (ROOT / "README.md").read_text("utf-8")

each_node = pytest.mark.parametrize("node_id", NODE_CLASS_MAPPINGS)


def names_in_table(heading: str) -> list[str]:
    """The code words in the first column of the table under `heading`."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|([^|]*)\|", section, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def test_the_committed_pages_are_up_to_date_whatever_this_user_has_set(
    monkeypatch: pytest.MonkeyPatch, home: Path, capsys: pytest.CaptureFixture[str]
):
    home.mkdir()
    (home / "profiles.json").write_text('{"profiles": {"mine": {"key": "a-key-of-mine"}}}')
    Catalogs(home, "").save("models", ["only-mine"])
    monkeypatch.setenv("VISIONCRAFT_API_KEY", "another-key")
    assert help_pages.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_page_is_named_and_repaired_without_touching_its_introduction(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(PAGES, tmp_path, dirs_exist_ok=True)
    stale, missing = tmp_path / "VisionCraftGif.md", tmp_path / "VisionCraftLLM.md"
    right = stale.read_text("utf-8").replace("# Text to GIF", "# My words")
    stale.write_text(right.replace("0 to 20", "0 to 99"), "utf-8")
    missing.unlink()
    assert help_pages.main(["--check"], tmp_path) == 1
    named = re.findall(r"Out of date: (\w+)\.md\n", capsys.readouterr().out)
    assert named == ["VisionCraftGif", "VisionCraftLLM"]
    assert help_pages.main(["--update"], tmp_path) == 0
    assert stale.read_text("utf-8") == right
    assert missing.read_text("utf-8").startswith("# LLM Prompt (Chat)\n")


@each_node
def test_a_page_names_its_title_path_account_and_examples(node_id: str):
    cls: Any = NODE_CLASS_MAPPINGS[node_id]
    page = (PAGES / f"{node_id}.md").read_text("utf-8")
    introduction = page.partition("\n## Inputs\n")[0]
    title = NODE_DISPLAY_NAME_MAPPINGS[node_id]
    assert introduction.startswith(f"# {title}\n")
    assert f"](images/{node_id}.jpg)" in introduction
    (row,) = re.findall(
        rf"^\| \*\*\[{re.escape(title)}\]\(web/docs/{node_id}.md\).*", README, re.MULTILINE
    )
    if request := getattr(cls, "REQUEST", None):
        assert f"`POST {request.path}`" in introduction
        assert f"`{request.path}`" in row
        paid = bool(request.premium or request.free)
        assert ("premium" in row, "**premium**" in introduction) == (paid, paid)
    shown = re.findall(r"`([^`]+)`", introduction.partition("**Example:**")[2])
    assert shown
    for example in shown:
        nodes = json.loads((EXAMPLES / f"VisionCraft - {example}.json").read_text("utf-8"))["nodes"]
        assert node_id in [node["type"] for node in nodes]


def test_every_page_is_that_of_a_node_or_is_linked():
    others = {path.stem for path in PAGES.glob("*.md")} - set(NODE_CLASS_MAPPINGS)
    assert [name for name in others if f"(web/docs/{name}.md)" not in README] == []


def test_the_readme_names_every_setting_and_only_errors_that_exist():
    settings = {f.name for f in fields(Profile)} - {"name", "base_url", "key", "embedded"}
    assert set(names_in_table("Settings of a server")) == settings
    named = names_in_table("When something fails")
    assert named
    assert [name for name in named if not hasattr(errors, name)] == []


def test_the_readme_names_the_request_of_every_node():
    for request in ENDPOINTS:
        node = request.title.partition(" (")[0]
        assert f"`{request.__name__}` ({node})" in re.sub(r"\s+", " ", README)


def test_every_link_in_the_documents_leads_to_a_file():
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES.glob("*.md")]:
        targets = re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8"))
        assert [t for t in targets if not (document.parent / t).exists()] == []


def test_the_python_examples_of_the_readme_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    for code in re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE):
        exec(code, {"__name__": "__main__"})  # noqa: S102
    saved, shown, said = capsys.readouterr().out.splitlines()
    assert saved == repr([Path("out/fox_1.png")])
    assert shown.startswith("(1024, 1024) ('sdxl-base', ")
    assert said
    with Image.open("out/fox_1.png") as image:
        assert image.size == (1024, 1024)


RUN = (PAGES / "run.md").read_text("utf-8")


def test_the_workflow_by_hand_and_the_table_of_rows_are_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    shape, by_hand = (json.loads(each) for each in re.findall(r"```json\n(.*?)```", RUN, re.DOTALL))
    Path("hand.json").write_text(json.dumps(by_hand), "utf-8")
    assert main(["run", "hand.json", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == set(shape)
    assert Path(told["outputs"]["3"]["images"][0]["path"]).is_file()
    (table,) = re.findall(r"```csv\n(.*?)```", RUN, re.DOTALL)
    Path("ideas.csv").write_text(table, "utf-8")
    small = ("--set", "3.width=64", "--set", "3.height=64")
    assert main(["run", "llm_prompt_to_image", "--rows", "ideas.csv", *small]) == 0
    capsys.readouterr()
    assert main(["run", "hand.json", "--json", "--set", "2.width=1"]) == 2
    assert set(json.loads(capsys.readouterr().out)["errors"][0]) == set(shape["errors"][0])


def test_the_settings_in_the_readme_are_ones_that_are_taken(home: Path):
    home.mkdir()
    for sample in re.findall(r"```json\n(.*?)```", README, re.DOTALL):
        (home / "profiles.json").write_text(sample, "utf-8")
        assert Profiles(home, {}).find("auto").base_url == "https://your.server"


def test_the_version_is_the_same_everywhere():
    assert f'version = "{visioncraft.__version__}"' in (ROOT / "pyproject.toml").read_text("utf-8")
    listed = (ROOT / "requirements.txt").read_text("utf-8").split()
    assert all(f'  "{each}",' in (ROOT / "pyproject.toml").read_text("utf-8") for each in listed)
