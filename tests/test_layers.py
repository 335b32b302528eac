"""The layers: which package may import which. Read the list as a map, from the bottom up."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from support.paths import ROOT
from support.timing import HANG

# From low to high: a package imports only what stands before it. Some are single files.
PLAN = [
    "visioncraft_core/errors.py",
    "visioncraft_core/urls.py",
    "visioncraft_core/spelling.py",
    "visioncraft_core/version.py",
    "visioncraft_core/json_limits.py",
    "visioncraft_core/base64_text.py",
    "visioncraft_core/plain_text.py",
    "visioncraft_core/cancellation.py",
    "visioncraft_core/background.py",
    "visioncraft_core/atomic.py",
    "visioncraft_core/parallel.py",
    "visioncraft_core/media/",
    "visioncraft_core/api/",
    "visioncraft_core/profiles/",
    "visioncraft_core/http/",
    "visioncraft_core/store/",
    "visioncraft_core/generation/",
    "visioncraft_core/service/",
    "visioncraft_core/service/engines/painted/",
    "visioncraft_core/service/engines/comfyui/",
    "visioncraft_core/service/engines/diffusers/",
    "visioncraft_core/service/faults/",
    "visioncraft_core/serve/",
    "visioncraft_core/sandbox.py",
    "visioncraft_core/client.py",
    "visioncraft_core/__init__.py",
    "nodes/",
    "nodes/routes/",
    "nodes/headless/canvas/",
    "nodes/headless/",
    "nodes/headless/hostnodes/",
    "nodes/headless/commands/",
    "nodes/headless/cli.py",
    "nodes/headless/entry_point/",
    "__init__.py",
]

# What the service may know of the pack besides itself: it could serve any other client.
SERVICE_MAY_USE = ("errors.py", "urls.py", "atomic.py", "media/", "api/", "service/")

COMFYUI = {"comfy", "comfy_api", "comfy_execution", "folder_paths", "server", "execution", "app"}
_DIFFUSERS = "visioncraft_core/service/engines/diffusers/"
DIFFUSERS = tuple(  # the worker's side of that engine
    f"{_DIFFUSERS}{name}.py"
    for name in (
        *("drawing", "pipelines", "previews", "prompts", "samplers", "schedules"),
        *("single_files", "video_files"),
    )
)
ONLY_IN = {  # a library and the places that may import it
    "requests": ("visioncraft_core/http/",),
    "urllib3": ("visioncraft_core/http/",),
    "aiohttp": ("visioncraft_core/service/", "visioncraft_core/serve/", "nodes/routes/guard.py"),
    "sqlalchemy": ("visioncraft_core/serve/",),
    "prometheus_client": ("visioncraft_core/serve/",),
    "ray": (
        "visioncraft_core/serve/ray_engine.py",
        "visioncraft_core/serve/ray_replica.py",
        "visioncraft_core/serve/ray_router.py",
    ),
    "fsspec": ("visioncraft_core/serve/object_store.py",),
    "torch": ("nodes/tensors.py", "nodes/headless/hostnodes/", *DIFFUSERS),
    **dict.fromkeys(("diffusers", "transformers", "safetensors"), DIFFUSERS),
    "tqdm": ("nodes/headless/commands/rows.py",),
    "ncnn": ("visioncraft_core/service/engines/upscale.py",),
    "importlib": (
        *("visioncraft_core/__init__.py", "nodes/comfy.py", "nodes/headless/"),
        "visioncraft_core/service/engines/upscale.py",
        "visioncraft_core/service/engines/diffusers/engine.py",
    ),
}


@cache
def files() -> tuple[str, ...]:
    folders = [ROOT / "visioncraft_core", ROOT / "nodes"]
    found = [ROOT / "__init__.py", *(path for folder in folders for path in folder.rglob("*.py"))]
    return tuple(sorted(path.relative_to(ROOT).as_posix() for path in found))


@cache
def imports(file: str) -> tuple[frozenset[str], frozenset[str]]:
    """The top-level modules that `file` imports, and the files of this pack."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return imports_in(file, tree)


def imports_in(file: str, tree: ast.Module) -> tuple[frozenset[str], frozenset[str]]:
    absolute: set[str] = set()
    own: set[str] = set()
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            # Types of libraries cost nothing, but the plan holds for types of our own, too.
            node.body = [n for n in node.body if isinstance(n, ast.ImportFrom) and n.level]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            absolute |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            absolute.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            base = Path(file).parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for alias in node.names:
                candidates = (f"{base / alias.name}.py", f"{base / alias.name}/__init__.py")
                package = (f"{base}.py", f"{base}/__init__.py", "__init__.py")
                own.add(next(c for c in (*candidates, *package) if c in files()))
    return frozenset(absolute), frozenset(own - {file})


def package_of(file: str) -> str:
    """The innermost entry of PLAN that holds `file`."""
    packages = [
        package
        for package in PLAN
        if file == package or (package[-1] == "/" and file.startswith(package))
    ]
    assert packages, f"{file} stands in no entry of PLAN"
    return max(packages, key=len)


def wrong_imports(file: str, targets: Iterable[str]) -> list[str]:
    here = PLAN.index(package_of(file))
    return [f"{file} -> {to}" for to in targets if PLAN.index(package_of(to)) > here]


def cycle(graph: dict[str, Iterable[str]]) -> list[str]:
    """The files of one import cycle, none where there is no cycle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_imports_lead_down_only():
    wrong = [target for file in files() for target in wrong_imports(file, imports(file)[1])]
    assert not wrong, "\n".join(wrong)


def test_there_is_no_import_cycle():
    assert not cycle({file: imports(file)[1] for file in files()})


def test_every_entry_of_the_plan_exists():
    assert [package for package in PLAN if not (ROOT / package).exists()] == []


@pytest.mark.parametrize(
    ("file", "line", "target"),
    [
        ("visioncraft_core/http/body.py", "from ..store import store", "store/store.py"),
        ("visioncraft_core/errors.py", "from .urls import origin_of", "urls.py"),
        ("visioncraft_core/media/images.py", "from ...nodes import comfy", "nodes/comfy.py"),
        ("visioncraft_core/service/app.py", "from .faults import rules", "faults/rules.py"),
    ],
)
def test_an_import_that_leads_upwards_is_found(file: str, line: str, target: str):
    _, targets = imports_in(file, ast.parse(line))
    (wrong,) = wrong_imports(file, targets)
    assert wrong.endswith(target)


def test_an_import_that_closes_a_cycle_is_found():
    graph = {file: set(imports(file)[1]) for file in files()}
    below = "visioncraft_core/http/addresses.py"
    _, targets = imports_in(below, ast.parse("from . import transport"))
    graph[below] |= targets
    assert {below, "visioncraft_core/http/transport.py"} <= set(cycle(dict(graph)))


def test_the_service_could_serve_any_client():
    allowed = tuple(f"visioncraft_core/{name}" for name in SERVICE_MAY_USE)
    for file in files():
        if file.startswith("visioncraft_core/service/"):
            assert not [to for to in imports(file)[1] if not to.startswith(allowed)], file


def test_the_pack_imports_itself_by_relative_paths_only():
    for file in files():
        assert not imports(file)[0] & {"visioncraft", "visioncraft_core", "nodes", "tests"}, file


def test_comfyui_is_imported_by_its_bridge_only():
    for file in files():
        assert not imports(file)[0] & COMFYUI, file


def test_each_library_has_one_home():
    for file in files():
        for library, homes in ONLY_IN.items():
            assert library not in imports(file)[0] or file.startswith(homes), (file, library)


def test_a_server_loads_none_of_the_libraries_that_draw():
    """They are the worker's, whose module imports them when it is the process's own."""
    below = {f"{_DIFFUSERS}{name}.py" for name in ("engine", "settings", "frames")}
    for file in below:
        assert not imports(file)[1] & set(DIFFUSERS), file


def test_loading_the_pack_starts_nothing_and_needs_no_torch():
    code = (
        "import socket, sys, threading\n"
        "def no(*a, **k): raise AssertionError('a socket at import')\n"
        "socket.socket.connect = no\n"
        "import visioncraft, visioncraft.nodes.headless.cli\n"
        "assert 'torch' not in sys.modules and 'av' not in sys.modules\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=HANG)
