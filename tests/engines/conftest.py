"""The tests in this folder run the engines of a server for real."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from support import random_models
from support.comfyui import NotStarted, find_all, find_python, started, version_of
from support.timing import HANG


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.engines)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models of random numbers, and of empty ones that are only named."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("checkpoints", "loras", "upscale_models"):
        (folder / name).mkdir()
    (folder / "checkpoints" / "sd").mkdir()
    (folder / "checkpoints" / "sd" / "empty.safetensors").touch()
    first = find_all()[0]
    command = [str(find_python(first)), random_models.__file__, str(folder)]
    made = subprocess.run(command, cwd=first, timeout=HANG, capture_output=True, text=True)
    if made.returncode:
        last = made.stderr.strip().rpartition("\n")[2]
        raise NotStarted(f"ComfyUI {version_of(first)} makes no random models: {last[:200]}")
    return folder


@dataclass
class EngineComfyUI:
    """A ComfyUI that an engine uses; `base` holds its folders."""

    url: str
    base: Path

    def is_idle(self) -> bool:
        queue = requests.get(f"{self.url}/queue", timeout=HANG).json()
        return not queue["queue_running"] and not queue["queue_pending"]

    def kept(self) -> list[object]:
        """What it still has of its users: history, and files that are not empty."""
        history = requests.get(f"{self.url}/history", timeout=HANG).json()
        folders = [self.base / name for name in ("input", "output", "temp")]
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        return [*history, *(file for file in files if file.stat().st_size)]


@pytest.fixture(scope="session", params=find_all(), ids=version_of)
def comfyui(
    request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineComfyUI]:
    """Each ComfyUI in turn."""
    base = tmp_path_factory.mktemp("comfyui")
    (base / "models").symlink_to(models)
    environment = {**os.environ, "NO_PROXY": "*"}
    with started(request.param, base, environment, ["--preview-method", "auto"]) as url:
        yield EngineComfyUI(url, base)
