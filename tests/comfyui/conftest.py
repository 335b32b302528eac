"""The tests in this folder share one real ComfyUI, where there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.comfyui import ComfyUI, find_all, running
from visioncraft.visioncraft_core.sandbox import Sandbox


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.comfyui)


# What a sampler does to every async node beside it.
BLOCKS_THE_LOOP = """
import time

class Blocks:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"seconds": ("FLOAT", {"default": 3.0})}})
    RETURN_TYPES, FUNCTION, OUTPUT_NODE, CATEGORY = (), "run", True, "test"

    async def run(self, seconds):
        time.sleep(seconds)
        return {"ui": {"text": [str(seconds)]}}

NODE_CLASS_MAPPINGS = {"TestBlocksTheLoop": Blocks}
"""


@pytest.fixture(scope="session")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    base = tmp_path_factory.mktemp("comfyui")
    nodes = base / "custom_nodes"
    nodes.mkdir()
    (nodes / "blocks_the_loop.py").write_text(BLOCKS_THE_LOOP)
    with Sandbox() as sandbox:
        # No key: a server on this machine is taken for a sandbox.
        environment = {**os.environ, "VISIONCRAFT_BASE_URL": sandbox.url, "NO_PROXY": "*"}
        environment.pop("VISIONCRAFT_HOME", None)
        with running(find_all()[0], base, sandbox, environment) as server:
            yield server
