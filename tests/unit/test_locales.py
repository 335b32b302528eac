"""Every text of the nodes, the settings and the menu is translated, in a form ComfyUI can show."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import translations
from support.paths import ROOT
from visioncraft.nodes import NODE_CLASS_MAPPINGS

LANGUAGES = ("ja", "ko", "ru", "zh")
SCRIPT = """
  commands: [{ id: "VisionCraft.Test", label: "Try " + "it", function: () => test() }],
  settings: [{ id: "VisionCraft.Size", category: ["VisionCraft", "Store"], name: "Size",
    tooltip: "MB" }],
  menuCommands: [{ path: ["Extensions", "VisionCraft"], commands: ["VisionCraft.Test"] }],
"""


def texts(language: str, name: str) -> dict[str, Any]:
    return json.loads((ROOT / "locales" / language / f"{name}.json").read_text("utf-8"))


def test_every_text_is_translated_and_the_committed_files_are_up_to_date(
    capsys: pytest.CaptureFixture[str],
):
    assert translations.main(["--check"]) == 0, capsys.readouterr().out
    assert sorted(path.name for path in (ROOT / "locales").iterdir()) == [*LANGUAGES]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_left_in_english_or_breaks_in_a_front_end(language: str):
    table = json.loads((translations.TRANSLATIONS / f"{language}.json").read_text("utf-8"))
    kept = {"cfg_scale", "fps", "lora"}  # as ComfyUI's own translations have them
    assert [t for t in table if t not in kept and table[t].strip() in ("", t)] == []
    # vue-i18n reads these as its own syntax in some front ends, and as plain text in others.
    assert [text for text in table.values() if set(text) & set("@{}|")] == []
    assert [t for t in table if t.count("%") != table[t].count("%")] == []
    nodes = texts(language, "nodeDefs")
    assert set(nodes) == set(NODE_CLASS_MAPPINGS)
    for node_id, cls in NODE_CLASS_MAPPINGS.items():
        declared: Any = cls
        inputs = declared.INPUT_TYPES()
        expected = {*inputs["required"], *inputs.get("optional", {})}
        assert set(nodes[node_id]["inputs"]) - {"control_after_generate"} == expected
        assert len(nodes[node_id]["outputs"]) == len(declared.RETURN_TYPES)


def test_what_the_front_end_registers_is_found_and_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "new.js").write_text(SCRIPT)
    found = translations.english_texts(tmp_path)
    assert found["commands"] == {"VisionCraft_Test": {"label": "Try it"}}
    assert found["settings"] == {"VisionCraft_Size": {"name": "Size", "tooltip": "MB"}}
    assert found["main"]["settingsCategories"] == {"Store": "Store"}
    copy = tmp_path / "locales"
    shutil.copytree(ROOT / "locales", copy)
    assert translations.main(["--update"], copy, web=tmp_path) == 1
    assert "zh.json lacks: Try it\n" in capsys.readouterr().out
    written = json.loads((copy / "zh" / "commands.json").read_text("utf-8"))
    assert written == found["commands"]  # in English until it is translated
