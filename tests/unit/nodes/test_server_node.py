from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from visioncraft.nodes import NODE_CLASS_MAPPINGS, comfy
from visioncraft.nodes.server import selected_profile
from visioncraft.visioncraft_core.errors import ConfigError

SERVER: Any = NODE_CLASS_MAPPINGS["VisionCraftServer"]
STORED = {
    "profiles": {
        "work": {"base_url": "https://work.test", "key": "work-key-1"},
        "keyless": {"base_url": "https://keyless.test"},
    }
}


@pytest.fixture(autouse=True)
def _profiles(home: Path) -> None:
    home.mkdir()
    (home / "profiles.json").write_text(json.dumps(STORED))


def test_it_offers_every_profile_and_starts_with_auto():
    names, options = SERVER.INPUT_TYPES()["required"]["profile"]
    assert names == ["auto", "sandbox", "work", "keyless"]
    assert options["default"] == "auto"


def test_only_the_name_travels():
    assert SERVER().choose("work") == ("work",)


@pytest.mark.parametrize(
    ("profile", "complaint"),
    [
        ("gone", 'no server profile called "gone"'),
        ("keyless", "No key is configured for https://keyless.test"),
        ("https://evil.test", "cannot name an address"),
    ],
)
def test_what_cannot_work_is_told_before_the_queue_runs(profile: str, complaint: str):
    assert complaint in SERVER.VALIDATE_INPUTS(profile=profile)


@pytest.mark.parametrize("profile", [None, "auto", "sandbox", "work"])
def test_what_works_passes(profile: str | None):
    assert SERVER.VALIDATE_INPUTS(profile=profile) is True


def test_the_host_decides_where_nothing_is_selected():
    class Host(comfy.QuietHost):
        def default_server(self) -> str:
            return "http://127.0.0.1:9"

    comfy.use(Host())
    assert (
        selected_profile("").base_url == selected_profile("auto").base_url == "http://127.0.0.1:9"
    )
    with pytest.raises(ConfigError):
        selected_profile("http://127.0.0.1:9")
