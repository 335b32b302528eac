"""A key that was entered through the routes of a real ComfyUI is found nowhere afterwards."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from support.comfyui import ComfyUI, find_all, running, skip_without_comfyui, version_of
from support.relay import GRAPH, KEY, Relay, assert_hidden, relay, shown_of
from visioncraft.visioncraft_core.sandbox import Sandbox

skip_without_comfyui()

SHOWN = (
    *("settings", "object_info", "history", "queue", "i18n", "system_stats", "internal/logs"),
    *(
        "internal/logs/raw",
        "visioncraft/profiles",
        "visioncraft/results",
        "api/visioncraft/profiles",
    ),
    *("userdata?dir=.&recurse=true", "userdata/..%2F__visioncraft%2Fprofiles.json"),
)
each_comfyui = pytest.mark.parametrize("folder", find_all(), ids=version_of)


@pytest.fixture
def environment() -> dict[str, str]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith("VISIONCRAFT_")}
    return {**kept, "NO_PROXY": "*"}


@pytest.fixture
def servers() -> Iterator[tuple[Sandbox, Relay]]:
    with Sandbox() as sandbox, relay(sandbox) as server:
        yield sandbox, server


def ask(comfyui: ComfyUI, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
    url = f"{comfyui.url}/api/visioncraft/{path}"
    answer = requests.request("POST" if body else "GET", url, json=body, timeout=60)
    assert answer.status_code == status, answer.text
    assert_hidden(answer.content, repr(answer.headers))
    return answer.json()


def files_of_pack(comfyui: ComfyUI) -> Mapping[str, bytes]:
    pack = comfyui.base / "custom_nodes"
    paths = (path for path in pack.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path): path.read_bytes() for path in paths}


@each_comfyui
def test_an_entered_key_is_used_and_found_nowhere(
    folder: Path, tmp_path: Path, environment: dict[str, str], servers: tuple[Sandbox, Relay]
):
    sandbox, server = servers
    with running(folder, tmp_path, sandbox, environment) as comfyui:
        before = files_of_pack(comfyui)
        work = {"name": "work", "new": True, "base_url": server.url, "key": KEY}
        ask(comfyui, "profiles/save", work)
        ask(comfyui, "profiles/test", {"name": "work"})
        assert_hidden(*server.heard)  # a test does not need it
        settings = tmp_path / "user" / "__visioncraft" / "profiles.json"
        stored = json.loads(settings.read_text("utf-8"))
        stored["profiles"]["work"]["result_hosts"] = [server.result_host]
        settings.write_text(json.dumps(stored), "utf-8")
        # Without a restart.
        choices = requests.get(f"{comfyui.url}/object_info/VisionCraftServer", timeout=30).json()
        assert "work" in json.dumps(choices)
        answer = comfyui.queue(GRAPH, extra_data={"extra_pnginfo": {"workflow": {"nodes": []}}})
        entry = comfyui.finish(answer.json()["prompt_id"])
        assert entry["status"]["status_str"] == "success", json.dumps(entry["status"])
        assert KEY.encode() in b"".join(server.heard)
        for place in SHOWN:
            shown = requests.get(f"{comfyui.url}/{place}", timeout=30)
            assert_hidden(shown.content, repr(shown.headers))
        others = [p for p in tmp_path.rglob("*") if p.is_file() and p != settings]
        for path in others:
            if "custom_nodes" not in path.parts:
                assert_hidden(str(path), shown_of(path))
        assert ask(comfyui, "results")["files"] > 0
        assert ask(comfyui, "results/clear", {"confirmed": True})["files"] == 0
        # The folder of the pack may be read-only.
        assert files_of_pack(comfyui) == before


@each_comfyui
def test_with_many_users_the_settings_are_only_shown(
    folder: Path, tmp_path: Path, environment: dict[str, str], servers: tuple[Sandbox, Relay]
):
    options = ["--multi-user"]
    with running(folder, tmp_path, servers[0], environment, options=options) as comfyui:
        assert "--multi-user" in ask(comfyui, "profiles")["read_only"]
        work = {"name": "work", "new": True, "key": KEY}
        assert "--multi-user" in ask(comfyui, "profiles/save", work, 403)["error"]
        assert not (tmp_path / "user" / "__visioncraft" / "profiles.json").exists()
        foreign = {"Origin": "http://evil.test"}
        url = f"{comfyui.url}/visioncraft/profiles"
        assert requests.get(url, headers=foreign, timeout=30).status_code == 403
