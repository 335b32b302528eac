from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from support.clients import client_of
from support.hosts import Host, run
from visioncraft.nodes import NODE_CLASS_MAPPINGS, comfy
from visioncraft.visioncraft_core import errors
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.api.endpoints import CATALOGS
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

LOADER: Any = NODE_CLASS_MAPPINGS["VisionCraftCatalog"]


def load(**values: Any) -> tuple[str, list[str], str, int]:
    defaults = {
        "catalog": "models-xl",
        "filter": "",
        "pick": "first",
        "number": 1,
        "refresh": False,
    }
    return run(LOADER, **{**defaults, **values})


@pytest.mark.parametrize("catalog", CATALOGS)
def test_every_catalog_can_be_listed(catalog: str, sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    name, names, text, count = load(catalog=catalog, pick="all")
    assert names == bundled()[catalog]
    assert (name, count) == (names[0], len(names))
    header, *lines = text.splitlines()
    assert lines == names
    assert header == f"# {catalog}: live from the server"


def test_a_number_counts_from_1_and_begins_again(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    names = bundled()["models-xl"]
    for number, expected in [(1, names[0]), (3, names[2]), (len(names) + 1, names[0])]:
        name, picked, _, _ = load(pick="by number", number=number)
        assert (name, picked) == (expected, [expected])


def test_a_filter_keeps_the_names_with_all_its_words(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    name, names, _, count = load(catalog="models", filter="REAL v1", pick="all")
    assert names == [n for n in bundled()["models"] if "real" in n.lower() and "v1" in n.lower()]
    assert count == len(names) > 1
    assert name == names[0]


def test_a_filter_that_leaves_nothing_is_told(sandbox: Sandbox):
    comfy.use(Host(sandbox.url))
    with pytest.raises(errors.InvalidRequest, match='None of the 6 names in models-xl has "zebra"'):
        load(filter="zebra")


def test_an_outage_gives_the_last_list_and_says_so(home: Path):
    with Sandbox() as sandbox:
        client_of(sandbox, home).catalog("models-xl")
    comfy.use(Host(sandbox.url))
    name, _, text, _ = load()
    assert name == "sdxl-base"
    assert "as the server listed it 0 hours ago" in text
    assert "Nothing answers at" in text
    with Sandbox(faults=[parse("models-xl=500")]) as broken:
        comfy.use(Host(broken.url))
        assert "the bundled list of February 2024" in load()[2]


@pytest.mark.parametrize("known", [False, True])
def test_a_filter_that_leaves_nothing_of_an_old_list_is_told_with_the_outage(
    known: bool,  # noqa: FBT001
    home: Path,
):
    with Sandbox() as sandbox:
        if known:
            client_of(sandbox, home).catalog("models-xl")
    comfy.use(Host(sandbox.url))
    with pytest.raises(errors.InvalidRequest) as caught:
        load(filter="lightning" * 50)
    message = str(caught.value)
    source = "as the server listed it 0 hours ago" if known else "the bundled list of February 2024"
    for part in (f"names in models-xl ({source}) has", "Nothing answers at", "Change the filter"):
        assert part in message
    assert len(message) < 300


def test_a_list_of_an_outage_is_asked_for_again_and_a_live_one_is_kept(home: Path):
    asked = {"catalog": "models-xl", "filter": "", "pick": "first", "number": 1, "refresh": False}
    others = {**asked, "catalog": "samplers"}
    with Sandbox(faults=[parse("models-xl=404*1")]) as sandbox:
        comfy.use(Host(sandbox.url))
        before = LOADER.IS_CHANGED(**asked), LOADER.IS_CHANGED(**others)
        assert "the bundled list" in load(**asked)[2]
        after = LOADER.IS_CHANGED(**asked), LOADER.IS_CHANGED(**others)
        assert after[0] != before[0]
        assert after[1] == before[1]
        assert "live from the server" in load(**asked)[2]
        assert LOADER.IS_CHANGED(**asked) == after[0]


def test_refresh_makes_comfyui_ask_again_and_without_it_the_result_is_kept():
    assert math.isnan(float(LOADER.IS_CHANGED(refresh=True, catalog="models")))
    assert LOADER.IS_CHANGED(refresh=True) is not LOADER.IS_CHANGED(refresh=True)
    assert LOADER.IS_CHANGED(refresh=False, catalog="models") == LOADER.IS_CHANGED(catalog="models")
