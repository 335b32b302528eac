"""A real ComfyUI server with this pack in it, where there is one to start.

COMFYUI_PATH names its folder, else the one this pack is installed in, else ~/comfy/ComfyUI;
COMFYUI_PYTHON its interpreter, else a .venv or venv in it or beside it.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from support.paths import ROOT
from visioncraft.visioncraft_core.sandbox import Sandbox

HINT = "no ComfyUI found: clone it to ~/comfy/ComfyUI with a .venv, or set COMFYUI_PATH"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.comfyui)


def find_comfyui() -> Path | None:
    named = os.environ.get("COMFYUI_PATH")
    around = ROOT.parent.parent if ROOT.parent.name == "custom_nodes" else None
    candidates = [Path(named)] if named else [around, Path.home() / "comfy" / "ComfyUI"]
    return next((c for c in candidates if c and (c / "main.py").is_file()), None)


def find_python(comfyui: Path) -> str | None:
    if named := os.environ.get("COMFYUI_PYTHON"):
        return named
    places = [comfyui / n for n in (".venv", "venv")] + [
        comfyui.parent / n for n in (".venv", "venv")
    ]
    programs = [p / "bin" / "python" for p in places] + [
        p / "Scripts" / "python.exe" for p in places
    ]
    return next((str(p) for p in programs if p.exists()), None)


def skip_without_comfyui() -> None:
    """Skips the module that calls it, in one line."""
    folder = find_comfyui()
    if folder is None or find_python(folder) is None:
        pytest.skip(HINT, allow_module_level=True)


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


@dataclass
class ComfyUI:
    """A running server. `base` holds its input, output and user folders."""

    url: str
    base: Path
    log: Path
    sandbox: Sandbox

    def queue(self, prompt: dict[str, Any], **extra: Any) -> requests.Response:
        body = {"prompt": prompt, "client_id": uuid.uuid4().hex, **extra}
        return requests.post(f"{self.url}/prompt", json=body, timeout=30)

    def finish(self, prompt_id: str, seconds: float = 60) -> dict[str, Any]:
        """The history entry of a prompt when it has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            history = requests.get(f"{self.url}/history/{prompt_id}", timeout=30).json()
            if prompt_id in history:
                return history[prompt_id]
            time.sleep(0.05)
        raise AssertionError(f"prompt not done in {seconds} s\n{self.log.read_text()[-3000:]}")

    def run(self, prompt: dict[str, Any], **extra: Any) -> dict[str, Any]:
        """Queues `prompt`, waits and gives its outputs by node id."""
        answer = self.queue(prompt, **extra)
        assert answer.status_code == 200, answer.text
        entry = self.finish(answer.json()["prompt_id"])
        assert entry["status"]["status_str"] == "success", json.dumps(entry["status"])
        return entry["outputs"]


def _start(comfyui: Path, python: str, base: Path, log: Path, environment: dict[str, str]):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [python, "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(port)]
    command += ["--base-directory", str(base), "--disable-api-nodes"]
    command += ["--database-url", "sqlite:///:memory:"]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=comfyui, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    return process, f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    folder = find_comfyui()
    python = find_python(folder) if folder else None
    assert folder
    assert python
    base = tmp_path_factory.mktemp("comfyui")
    pack = base / "custom_nodes" / "ComfyUI-VisionCraft"
    pack.mkdir(parents=True)
    for name in ("nodes", "visioncraft_core", "example_workflows", "web"):
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, pack / name)
    shutil.copy(ROOT / "__init__.py", pack)
    (base / "custom_nodes" / "blocks_the_loop.py").write_text(BLOCKS_THE_LOOP)
    (base / "input").mkdir()
    log = base / "log.txt"
    with Sandbox() as sandbox:
        # No key: a server on this machine is taken for a sandbox.
        environment = {**os.environ, "VISIONCRAFT_BASE_URL": sandbox.url, "NO_PROXY": "*"}
        environment.pop("VISIONCRAFT_HOME", None)
        process, url = _start(folder, python, base, log, environment)
        try:
            _wait_until_up(process, url, log)
            yield ComfyUI(url, base, log, sandbox)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_up(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            requests.get(f"{url}/queue", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"ComfyUI did not start\n{log.read_text()[-3000:]}")
