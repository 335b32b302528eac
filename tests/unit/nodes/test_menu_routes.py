"""The routes of the lists and of a node's context menu."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.clients import KEY
from support.hosts import Host, run
from support.instant_engine import InstantEngine
from support.routes import post, serving
from visioncraft.nodes import NODE_CLASS_MAPPINGS, comfy
from visioncraft.visioncraft_core.api.catalogs import Catalogs, bundled
from visioncraft.visioncraft_core.api.endpoints import CATALOGS, ENDPOINTS
from visioncraft.visioncraft_core.sandbox import Sandbox

CLASSES: dict[str, Any] = NODE_CLASS_MAPPINGS
XL = CLASSES["VisionCraftGenerateXL"]
INPUTS: dict[str, Any] = {"prompt": "a fox's den", "model": "sdxl-turbo", "width": 64, "height": 64}
FOX = {"class_type": XL.ID, "inputs": {**INPUTS, "seed": 3}}


class ChangedEngine(InstantEngine):
    def catalogs(self) -> Mapping[str, Sequence[str]]:
        return {**bundled(), "models-xl": ["sdxl-turbo", "brand-new"]}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as url:
        yield url


def choices() -> list[str]:
    return XL.INPUT_TYPES()["optional"]["model"][0]


def test_the_lists_of_the_default_server_are_fetched_and_shown_without_a_restart(server: str):
    with Sandbox(engine=ChangedEngine()) as sandbox:
        comfy.use(Host(sandbox.url))
        assert choices() == bundled()["models-xl"]
        answer = {"server": sandbox.url, "changed": 1, "error": ""}
        assert post(server, "catalogs/refresh", {}) == (200, answer)
        assert choices() == ["sdxl-turbo", "brand-new"]
        asked = len(sandbox.requests)
        assert asked == len(CATALOGS)
        # A page that opens a little later finds them fresh.
        _, answer = post(server, "catalogs/refresh", {"max_age": 300})
        assert answer["changed"] == 0
        assert len(sandbox.requests) == asked


def test_another_default_server_has_its_own_lists(server: str, sandbox: Sandbox):
    with Sandbox(engine=ChangedEngine()) as other:
        comfy.use(Host(other.url))
        post(server, "catalogs/refresh", {})
    comfy.use(Host(sandbox.url))
    assert choices() == bundled()["models-xl"]


def test_a_server_that_does_not_answer_is_asked_for_one_list_and_the_names_stay(
    server: str, home: Path
):
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    Catalogs(home, url).save("models-xl", ["kept"])
    comfy.use(Host(url))
    status, answer = post(server, "catalogs/refresh", {})
    assert (status, answer["changed"]) == (200, 0)
    assert "Nothing answers at" in answer["error"]
    assert choices() == ["kept"]


def test_the_built_in_sandbox_is_not_started_for_its_lists(server: str):
    answer = {"server": "the embedded sandbox", "changed": 0, "error": ""}
    assert post(server, "catalogs/refresh", {}) == (200, answer)


def test_names_of_before_are_shown_at_once(home: Path):
    """Without a connection, and without reading a file again that did not change."""
    base_url = "https://work.test"
    home.mkdir()
    stored = {"default": "work", "profiles": {"work": {"base_url": base_url, "key": "work-key-1"}}}
    (home / "profiles.json").write_text(json.dumps(stored))
    Catalogs(home, base_url).save("models-xl", ["as it was"])
    assert choices() == ["as it was"]


def data_of(command: str) -> dict[str, Any]:
    """What a shell would send, with the key that its variable holds."""
    *_, line = command.splitlines()
    words = shlex.split(line.replace('"$VISIONCRAFT_API_KEY"', "from-the-shell"))
    assert words[0] == "curl"
    return json.loads(words[words.index("-d") + 1])


def test_a_request_is_shown_as_curl_without_its_key(server: str, home: Path):
    home.mkdir()
    stored = {"profiles": {"work": {"base_url": "https://work.test", "key": KEY}}}
    (home / "profiles.json").write_text(json.dumps(stored))
    status, answer = post(server, "actions/curl", {**FOX, "server": "work"})
    assert status == 200
    assert KEY not in answer["text"]
    assert answer["text"].startswith("curl https://work.test/generate-xl ")
    sent = data_of(answer["text"])
    assert sent.pop("token") == "from-the-shell"
    assert sent.items() >= INPUTS.items()
    assert not {"seed", "server"} & set(sent)


@pytest.mark.parametrize("node_id", [endpoint.id for endpoint in ENDPOINTS])
def test_what_comes_from_other_nodes_is_named_and_left_open(node_id: str, server: str):
    cls = CLASSES[node_id]
    declared = cls.INPUT_TYPES()
    names = [n for n in {**declared["required"], **declared["optional"]} if n != "server"]
    inputs = {name: ["9", 0] for name in names}
    status, answer = post(server, "actions/curl", {"class_type": node_id, "inputs": inputs})
    assert status == 200, answer
    assert set(answer["linked"]) == set(names) - {"seed"}
    for name in answer["linked"]:
        assert f"# {name} comes from another node" in answer["text"]
    assert "<" in json.dumps(data_of(answer["text"]))
    status, answer = post(server, "actions/forget", {"class_type": node_id, "inputs": inputs})
    assert status == 400
    assert "cannot be found" in answer["error"]
    assert "seed" in answer["error"]


def test_a_forgotten_result_is_requested_again_and_comfyui_runs_the_node_again(
    server: str, sandbox: Sandbox
):
    comfy.use(Host(sandbox.url))
    inputs = {**INPUTS, "seed": 3}
    for _ in range(2):
        run(XL, **inputs)
    before = XL.IS_CHANGED(**inputs)
    assert post(server, "actions/forget", FOX) == (200, {"forgotten": True})
    assert post(server, "actions/forget", FOX) == (200, {"forgotten": False})
    assert XL.IS_CHANGED(**inputs) != before
    run(XL, **inputs)
    assert sandbox.requests.count("POST /generate-xl") == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("catalogs/refresh", {"max_age": "soon"}),
        ("actions/curl", {}),
        ("actions/curl", {"class_type": "VisionCraftServer", "inputs": {"profile": "auto"}}),
        ("actions/curl", {"class_type": ["x"], "inputs": {}}),
        ("actions/curl", {"class_type": XL.ID, "inputs": []}),
        ("actions/curl", {"class_type": XL.ID, "inputs": {"prompt": " "}}),
        ("actions/curl", {**FOX, "server": "https://evil.test"}),
        ("actions/curl", {**FOX, "server": "no-such-profile"}),
        ("actions/forget", {"class_type": XL.ID, "inputs": {"prompt": 3}}),
    ],
)
def test_what_is_no_node_or_no_request_is_refused_in_a_sentence(path: str, body: Any, server: str):
    status, answer = post(server, path, body)
    assert status == 400
    assert answer["error"].endswith(".")
