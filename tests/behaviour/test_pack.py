"""The pack as ComfyUI sees it."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image
from support.paths import ROOT
from visioncraft import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from visioncraft.visioncraft_core.api.fields import ChoiceField, TextField
from visioncraft.visioncraft_core.http.transport import USER_AGENT

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where pytest brings its predecessor
    import tomli as tomllib

CLASSES: dict[str, Any] = NODE_CLASS_MAPPINGS

# Workflows hold these for ever: only ever add.
IDS = {
    *("VisionCraftGenerate", "VisionCraftGenerateXL", "VisionCraftImg2Img", "VisionCraftUpscale"),
    *("VisionCraftGif", "VisionCraftImg2Video", "VisionCraftLLM", "VisionCraftPremiumLLM"),
    *("VisionCraftLoraStack", "VisionCraftCatalog", "VisionCraftServer", "VisionCraftSaveOriginal"),
}

# The widgets of each node in the order in which workflows store their values: only ever append.
WIDGETS = {
    "VisionCraftGenerate": "model sampler prompt negative_prompt image_count cfg_scale steps seed",
    "VisionCraftGenerateXL": (
        "prompt model negative_prompt width height sampler scheduler refiner seed"
    ),
    "VisionCraftImg2Img": "prompt negative_prompt scheduler steps strength refiner seed",
    "VisionCraftUpscale": "seed",
    "VisionCraftGif": "sampler prompt negative_prompt cfg_scale steps seed",
    "VisionCraftImg2Video": "seed",
    "VisionCraftLLM": "model prompt system seed",
    "VisionCraftPremiumLLM": "model message chat_id seed",
    "VisionCraftLoraStack": "lora weight enabled text",
    "VisionCraftCatalog": "catalog filter pick number refresh",
    "VisionCraftSaveOriginal": "filename_prefix",
    "VisionCraftServer": "profile",
}


def inputs_of(cls: Any) -> dict[str, tuple[Any, dict[str, Any]]]:
    declared = cls.INPUT_TYPES()
    return {**declared["required"], **declared.get("optional", {})}


def load_as_comfyui_does(folder: Path) -> ModuleType:
    """ComfyUI's loader: the module's name is its path, dots replaced; the folder is on no path."""
    name = str(folder).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["visioncraft", "ComfyUI-VisionCraft", "visioncraft.pack-1.0"])
def test_it_loads_under_any_folder_name_and_leaves_others_alone(name: str, tmp_path: Path):
    folder = tmp_path / "custom_nodes" / name
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "__init__.py", folder)
    for package in ("nodes", "visioncraft_core"):
        shutil.copytree(ROOT / package, folder / package)
    before, path = set(sys.modules), list(sys.path)
    try:
        module = load_as_comfyui_does(folder)
        assert set(module.NODE_CLASS_MAPPINGS) == IDS
        assert sys.path == path
        new = set(sys.modules) - before
        assert not {m for m in new if m.split(".")[0] in ("nodes", "visioncraft_core", "server")}
        module.NODE_CLASS_MAPPINGS["VisionCraftGenerateXL"].INPUT_TYPES()
    finally:
        for added in set(sys.modules) - before:
            del sys.modules[added]


def test_the_ids_are_frozen_and_every_node_has_a_title():
    assert set(NODE_CLASS_MAPPINGS) == set(NODE_DISPLAY_NAME_MAPPINGS) == IDS


@pytest.mark.parametrize("node_id", sorted(IDS))
def test_the_stored_order_of_widgets_is_frozen(node_id: str):
    stored = [
        name
        for name, (type_name, options) in inputs_of(CLASSES[node_id]).items()
        if (isinstance(type_name, list) or not options.get("forceInput")) and type_name != "IMAGE"
    ]
    assert " ".join(stored) == WIDGETS[node_id]


@pytest.mark.parametrize("node_id", sorted(IDS))
def test_a_node_keeps_to_comfyuis_contract(node_id: str):
    cls = CLASSES[node_id]
    assert inspect.isfunction(getattr(cls, cls.FUNCTION))
    assert cls.CATEGORY.startswith("VisionCraft/")
    assert cls.DESCRIPTION.endswith(".")
    assert cls.SEARCH_ALIASES
    assert len(cls.RETURN_TYPES) == len(cls.RETURN_NAMES) == len(cls.OUTPUT_TOOLTIPS)
    assert not hasattr(cls, "API_NODE")
    if hasattr(cls, "REQUEST"):
        assert not getattr(cls, "OUTPUT_NODE", False)  # it would run, and be paid, unconnected
    for _, options in inputs_of(cls).values():
        assert options["tooltip"].endswith(".")
    json.dumps(cls.INPUT_TYPES(), allow_nan=False)


@pytest.mark.parametrize("node_id", sorted(IDS))
def test_a_node_that_calls_the_api_never_blocks_the_loop_and_ends_with_its_seed(node_id: str):
    cls = CLASSES[node_id]
    if hasattr(cls, "REQUEST"):
        assert inspect.iscoroutinefunction(getattr(cls, cls.FUNCTION))
        assert list(inputs_of(cls))[-1] == "seed"


@pytest.mark.parametrize("node_id", sorted(IDS))
def test_the_node_judges_one_needed_text_and_nothing_else(node_id: str):
    """ComfyUI shows what VALIDATE_INPUTS says once for every input that it names."""
    cls = CLASSES[node_id]
    if not hasattr(cls, "REQUEST"):
        return
    judged = set(inspect.getfullargspec(cls.VALIDATE_INPUTS).args) - {"cls"}
    shown = {f.name: f for f in cls.shown_fields()}
    choices = {n for n, f in shown.items() if isinstance(f.kind, ChoiceField)}
    texts = {n for n, f in shown.items() if f.required and isinstance(f.kind, TextField)}
    own = {"prompt"} if "prompt" in cls.own_inputs().get("required", {}) else set()
    assert judged == (texts - choices) | own
    assert len(judged) <= 1
    for name in judged:
        assert f"{name} is empty" in cls.VALIDATE_INPUTS(**{name: " "})
    assert cls.VALIDATE_INPUTS() is True  # everything is linked
    inputs = inputs_of(cls)
    assert all("a name of tomorrow" in inputs[name][0] for name in choices)


def test_both_lists_of_requirements_are_the_same_and_none_touches_torch():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = (ROOT / "requirements.txt").read_text("utf-8").split()
    assert lines == project["dependencies"]
    assert not [line for line in lines if re.match("torch", line)]
    assert all(re.fullmatch(r"[a-z]+>=[\d.]+", line) for line in lines)


def test_the_registry_is_given_pictures_of_the_sizes_that_it_shows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    address = f"{project['project']['urls']['Repository']}/blob/main/"
    sizes = {}
    for name in ("Icon", "Banner"):
        url = project["tool"]["comfy"][name]
        assert url.startswith(address)
        with Image.open(ROOT / url.removeprefix(address).removesuffix("?raw=true")) as picture:
            sizes[name] = picture.size
    assert sizes["Icon"][0] == sizes["Icon"][1] <= 400
    assert sizes["Banner"][0] * 9 == sizes["Banner"][1] * 21


def test_only_the_files_the_ecosystem_expects_stand_at_the_top():
    import subprocess

    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    tops = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert tops <= {
        *("pyproject.toml", "README.md", "__init__.py", "nodes", "visioncraft_core", "tests"),
        *("example_workflows", "LICENSE", "CHANGELOG.md", "requirements.txt", ".ci", "web"),
        *("locales", "subgraphs", ".gitignore", ".comfyignore", "CONTRIBUTING.md"),
        *("MANIFEST.in", "__main__.py", "BENCHMARKS.md"),
    }
    of_itself = {"pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "__init__.py"}
    of_itself |= {"__main__.py", "nodes", "visioncraft_core", ".gitignore", ".comfyignore"}
    in_sdist = (ROOT / "MANIFEST.in").read_text("utf-8").split()
    assert tops - of_itself <= {*in_sdist}


@pytest.mark.parametrize(
    "word",
    [
        *("eval(", "exec(", "subprocess", "os.system", "ctypes", "pickle.", "marshal"),
        *("verify=False", "MAX_IMAGE_PIXELS", "LOAD_TRUNCATED_IMAGES", "netrc"),
    ],
)
def test_the_pack_does_nothing_that_a_registry_or_a_user_should_fear(word: str):
    found = {}
    for folder in ("nodes", "visioncraft_core"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            code = "\n".join(
                line.partition("#")[0] for line in path.read_text("utf-8").splitlines()
            )
            if word in re.sub(r'"""(.|\n)*?"""', "", code):
                found[path.relative_to(ROOT).as_posix()] = word
    # A switch of the whole process, and there the process is that of `visioncraft run`.
    found.pop("nodes/headless/hostnodes/pictures.py", None)
    # A server's own process and what is said to it, which the pack for ComfyUI does not hold.
    engine = "visioncraft_core/service/engines/diffusers/"
    assert engine in (ROOT / ".comfyignore").read_text("utf-8").splitlines()
    homes = {"subprocess": "engine.py", "exec(": "engine.py", "pickle.": "frames.py"}
    found.pop(engine + homes.get(word, ""), None)
    assert found == {}


def test_servers_are_told_the_version_of_this_pack():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"comfyui-visioncraft/{project['version']}" == USER_AGENT
