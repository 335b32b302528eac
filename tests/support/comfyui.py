"""Real ComfyUI servers with this pack in them, where there are any to start.

COMFYUI_PATH names a ComfyUI's folder, else it is the one this pack is installed in, else each in
~/comfy, `ComfyUI` first; COMFYUI_PYTHON its interpreter, else a .venv or venv in it or beside it;
COMFYUI_FRONTEND the `static` folder of a newer front end, else it is the one in ~/comfy/fe.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from support.paths import ROOT
from support.processes import end_process
from visioncraft.visioncraft_core.sandbox import Sandbox

PACK = (
    *("__init__.py", "nodes", "visioncraft_core"),
    *("example_workflows", "locales", "subgraphs", "web"),
)
HINT = "no ComfyUI found: clone it to ~/comfy/ComfyUI with a .venv, or set COMFYUI_PATH"
FRONT_END_HINT = (
    "no newest front end found: pip install --no-deps --target ~/comfy/fe "
    "comfyui-frontend-package, or set COMFYUI_FRONTEND to its folder static"
)
STARTS_WITHIN = 300  # seconds; the first start of an installation takes long


def find_all() -> list[Path]:
    """The folders of all ComfyUIs that have an interpreter."""
    if named := os.environ.get("COMFYUI_PATH"):
        candidates = [Path(named)]
    elif ROOT.parent.name == "custom_nodes":
        candidates = [ROOT.parent.parent]
    else:
        candidates = sorted((Path.home() / "comfy").glob("ComfyUI*"))
    return [c for c in candidates if (c / "main.py").is_file() and find_python(c)]


def find_front_end() -> Path | None:
    """The newest front end, which a ComfyUI serves in place of its own."""
    named = os.environ.get("COMFYUI_FRONTEND", "~/comfy/fe/comfyui_frontend_package/static")
    folder = Path(named).expanduser()
    return folder if (folder / "index.html").is_file() else None


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


def version_of(comfyui: Path) -> str:
    file = comfyui / "comfyui_version.py"
    found = re.search(r'"(.+)"', file.read_text()) if file.is_file() else None
    return found[1] if found else comfyui.name


def skip_without_comfyui() -> None:
    """Skips the module that calls it, in one line."""
    if not find_all():
        pytest.skip(HINT, allow_module_level=True)


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

    def saved_by(self, prompt_id: str, suffix: str) -> bytes:
        """The first file with this suffix that a prompt wrote to the output folder."""
        shown = self.finish(prompt_id)["outputs"].values()
        lists = [each for outputs in shown for each in outputs.values() if isinstance(each, list)]
        for entry in (entry for each in lists for entry in each if isinstance(entry, dict)):
            if entry.get("type") == "output" and entry["filename"].endswith(f".{suffix}"):
                return requests.get(f"{self.url}/view", params=entry, timeout=30).content
        raise AssertionError(f"no {suffix} file in {list(shown)}")

    def run(self, prompt: dict[str, Any], **extra: Any) -> dict[str, Any]:
        """Queues `prompt`, waits and gives its outputs by node id."""
        answer = self.queue(prompt, **extra)
        assert answer.status_code == 200, answer.text
        entry = self.finish(answer.json()["prompt_id"])
        assert entry["status"]["status_str"] == "success", json.dumps(entry["status"])
        return entry["outputs"]


class NotStarted(pytest.skip.Exception):
    """Skips all tests that need a server, in one line: pytest would name each of them."""

    _use_item_location = property(lambda _self: False, lambda _self, _value: None)  # type: ignore[assignment]


@contextmanager
def running(
    comfyui: Path,
    base: Path,
    sandbox: Sandbox,
    environment: Mapping[str, str],
    pack: Path = ROOT,
    front_end: Path | None = None,
    options: Sequence[str] = (),
) -> Iterator[ComfyUI]:
    """A ComfyUI with `pack` in it. Skips the test where it does not start."""
    _install(pack, base / "custom_nodes" / "ComfyUI-VisionCraft")
    options = [*options, *(["--front-end-root", str(front_end)] if front_end else [])]
    with started(comfyui, base, environment, options) as url:
        yield ComfyUI(url, base, base / "log.txt", sandbox)


@contextmanager
def started(
    comfyui: Path, base: Path, environment: Mapping[str, str], options: Sequence[str] = ()
) -> Iterator[str]:
    """The URL of a ComfyUI whose folders are in `base`. Skips the test where it does not start."""
    python = find_python(comfyui)
    assert python
    for name in ("custom_nodes", "input", "user"):
        (base / name).mkdir(parents=True, exist_ok=True)
    log = base / "log.txt"
    process, url = _start(comfyui, python, base, log, environment, options)
    try:
        if not _is_up(process, url):
            last = log.read_text().strip().rpartition("\n")[2] or "it says nothing"
            raise NotStarted(f"ComfyUI {version_of(comfyui)} does not start: {last[:200]}")
        yield url
    finally:
        end_process(process, 10)


def _install(pack: Path, place: Path) -> None:
    place.mkdir(parents=True)
    for name in PACK:
        source = pack / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, place)


def _start(
    comfyui: Path,
    python: str,
    base: Path,
    log: Path,
    environment: Mapping[str, str],
    options: Sequence[str],
) -> tuple[subprocess.Popen[bytes], str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [python, "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(port)]
    command += ["--base-directory", str(base), "--disable-api-nodes"]
    command += ["--database-url", f"sqlite:///{base / 'user' / 'comfyui.db'}", *options]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=comfyui, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    return process, f"http://127.0.0.1:{port}"


def _is_up(process: subprocess.Popen[bytes], url: str) -> bool:
    end = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < end:
        try:
            # Whatever else had this port in the meantime does not know the path.
            if requests.get(f"{url}/queue", timeout=5).ok:
                return True
        except (requests.ConnectionError, requests.Timeout):
            pass
        time.sleep(0.2)
    return False
