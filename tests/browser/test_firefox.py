"""One round trip in Firefox: open, run, save, open again, run again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, cast

import pytest
from support.browser import Canvas
from support.comfyui import ROOT, ComfyUI
from support.firefox import firefox

from .seeds import fresh

PROGRAM = shutil.which("firefox-esr") or shutil.which("firefox")


@pytest.mark.skipif(not PROGRAM, reason="no Firefox found: apt-get install firefox-esr")
def test_an_example_keeps_its_values_in_firefox(comfyui: ComfyUI, tmp_path: Path):
    path = ROOT / "example_workflows" / "VisionCraft - Idea to picture.json"
    workflow = fresh(json.loads(path.read_text()))
    with firefox(str(PROGRAM), tmp_path) as page:
        canvas = Canvas(cast(Any, page), comfyui.url)
        canvas.open()
        canvas.drop_workflow(workflow)
        first = canvas.state()
        canvas.run()
        assert all(canvas.status().values())
        assert canvas.state() == first
        canvas.drop_workflow(canvas.workflow())
        assert canvas.state() == first
        canvas.change()
        changed = canvas.state()
        assert changed["values"] != first["values"]
        canvas.run()
        assert canvas.state() == changed
