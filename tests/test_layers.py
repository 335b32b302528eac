"""Who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = [
    path.relative_to(ROOT)
    for folder in ("visioncraft_core", "nodes")
    for path in sorted((ROOT / folder).rglob("*.py"))
]

# From low to high: a core module imports only what stands before it.
CORE = [
    *("errors", "files", "home", "secret", "fields", "endpoints", "media", "containers"),
    *("config", "settings", "profiles", "addresses", "wire", "failures", "body", "transport"),
    *("workers", "retry", "limiter", "downloads", "animations", "refusals", "replies", "results"),
    *("catalogs", "bounds", "claims", "store", "server", "jobs", "deliveries", "errand", "client"),
    "sandbox",
]

COMFYUI = {"comfy", "comfy_api", "comfy_execution", "folder_paths", "server", "execution", "app"}
ONLY_IN = {
    "requests": {"visioncraft_core/transport.py"},
    "urllib3": {f"visioncraft_core/{name}.py" for name in ("addresses", "wire", "failures")},
    "torch": {
        *("nodes/tensors.py", "nodes/headless/hostnodes/pixels.py"),
        *("nodes/headless/hostnodes/pictures.py", "nodes/headless/hostnodes/collages.py"),
    },
    "importlib": {
        *("nodes/comfy.py", "nodes/headless/doctor.py"),
        *("nodes/headless/cli.py", "nodes/headless/command/__init__.py"),
    },
}


def imports(path: Path) -> tuple[set[str], set[str]]:
    """Absolute top-level names, and relative ones as paths from the root."""
    absolute: set[str] = set()
    relative: set[str] = set()
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            absolute |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            absolute.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            base = path.parents[node.level - 1]
            target = base.joinpath(*(node.module or "").split("."))
            relative.add(target.as_posix())
            relative |= {(target / alias.name).as_posix() for alias in node.names}
    return absolute, relative


def test_the_pack_imports_itself_by_relative_paths_only():
    for path in FILES:
        absolute, _ = imports(path)
        assert not absolute & {"visioncraft", "visioncraft_core", "nodes", "tests"}, path


def test_comfyui_is_imported_by_its_bridge_only():
    for path in FILES:
        assert not imports(path)[0] & COMFYUI, path


def test_torch_requests_and_dynamic_imports_have_one_home():
    for path in FILES:
        for name, homes in ONLY_IN.items():
            assert name not in imports(path)[0] or path.as_posix() in homes, (path, name)


def test_the_core_knows_nothing_of_the_nodes_and_only_what_lies_below():
    for path in FILES:
        parts = path.parts
        if parts[0] != "visioncraft_core" or parts[1] == "__init__.py":
            continue
        _, relative = imports(path)
        assert not [name for name in relative if name.startswith("nodes")], path
        below = CORE[: CORE.index(parts[1].removesuffix(".py")) + 1]
        for name in relative:
            module = name.split("/")[1] if "/" in name else ""
            if module in CORE and not (path.name == "client.py" and module == "sandbox"):
                assert module in below, (path, module)


def test_loading_the_pack_starts_nothing_and_needs_no_torch():
    code = (
        "import socket, sys, threading\n"
        "def no(*a, **k): raise AssertionError('a socket at import')\n"
        "socket.socket.connect = no\n"
        "import visioncraft, visioncraft.nodes.headless.cli\n"
        "assert 'torch' not in sys.modules and 'av' not in sys.modules\n"
        "assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
