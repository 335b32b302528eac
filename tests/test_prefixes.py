from __future__ import annotations

from datetime import datetime

import pytest
from visioncraft.nodes.headless.prefixes import fill
from visioncraft.nodes.headless.workflow import Link, Node, Workflow

NOW = datetime(2026, 3, 7, 9, 5, 4)


def filled(prefix: str) -> str:
    nodes = {
        "1": Node("1", "VisionCraftGenerateXL", {"width": 640, "prompt": "a/b: c?"}, "Fox"),
        "2": Node("2", "SaveImage", {"filename_prefix": prefix, "images": Link("1", 0)}, ""),
    }
    workflow = Workflow(nodes, None)
    fill(workflow, NOW)
    return workflow.nodes["2"].inputs["filename_prefix"]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("fox", "fox"),
        ("%date:yyyy-MM-dd%/fox", "2026-03-07/fox"),
        ("%date:yy.M.d hh-mm-ss%", "26.3.7 09-05-04"),
        ("%Fox.width%", "640"),
        ("%VisionCraftGenerateXL.width%px", "640px"),
        ("%Fox.prompt%", "a_b_ c_"),
        ("%Nobody.width% %Fox.nothing% 100%", "%Nobody.width% %Fox.nothing% 100%"),
        ("%width%x%height%", "%width%x%height%"),
        ("%SaveImage.images%", "%SaveImage.images%"),
    ],
)
def test_what_the_front_end_fills_in_is_filled_in(prefix: str, expected: str):
    assert filled(prefix) == expected
