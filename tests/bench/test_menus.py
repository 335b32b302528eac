"""What ComfyUI asks for every node on its server's loop, several times a run."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.visioncraft_core.api.catalogs import Catalogs
from visioncraft.visioncraft_core.api.endpoints import CATALOGS

pytestmark = pytest.mark.bench

MOST = 0.001  # seconds for one node
BASE_URL = "https://work.test"


@pytest.mark.parametrize("node_id", list(NODE_CLASS_MAPPINGS))
def test_a_node_declares_its_inputs_at_once(node_id: str, home: Path):
    """With twenty servers and five hundred names in each list."""
    home.mkdir()
    servers = {f"work{n}": {"base_url": BASE_URL, "key": "work-key-1"} for n in range(20)}
    profiles = home / "profiles.json"
    profiles.write_text(json.dumps({"default": "work7", "profiles": servers}))
    profiles.chmod(0o600)
    for catalog in CATALOGS:
        Catalogs(home, BASE_URL).save(catalog, [f"name-{n}" for n in range(500)])
    node: Any = NODE_CLASS_MAPPINGS[node_id]
    taken = []
    for _ in range(100):
        began = time.process_time()
        node.INPUT_TYPES()
        taken.append(time.process_time() - began)
    assert median(taken) < MOST
