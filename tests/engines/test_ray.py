"""Engines as replicas in a Ray cluster: two nodes on this computer, on loopback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests
from support.clients import body_of
from support.comfyui import HINT, find_all, running
from support.own_servers import Served, served
from support.paths import ROOT
from support.replicas import build, two_nodes
from support.timing import LONG, eventually
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.nodes.headless import folders
from visioncraft.nodes.headless.canvas.workflow import load
from visioncraft.nodes.headless.cli import main
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.api.endpoints import ENDPOINTS, Generate
from visioncraft.visioncraft_core.errors import ConfigError
from visioncraft.visioncraft_core.sandbox import Sandbox

if not find_spec("ray"):
    pytest.skip('Ray is not installed (pip install "ray[serve]")', allow_module_level=True)

pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("default")]
ID = "0123456789abcdef0123456789abcdef"
TOLD = (
    '[[engine]]\nname = "told"\nkind = "painted"\nmin_replicas = 2\nmax_replicas = 2\nmodels = 1\n'
)
EXAMPLE = ROOT / "example_workflows" / "VisionCraft - Idea to picture.json"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with two_nodes() as made:
        yield made


@pytest.fixture(scope="module")
def cluster(address: str) -> Iterator[Any]:
    from visioncraft.visioncraft_core.serve.ray_engine import Cluster

    made = Cluster(address, build)
    yield made
    made.close()


@pytest.fixture(scope="module")
def own(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("own"), TOLD, cluster=cluster, premium=True) as made:
        yield made


@pytest.fixture
def tell(own: Served, tmp_path: Path) -> Callable[..., requests.Response]:
    """Asks for a picture with what its engine is told."""

    def ask(**told: Any) -> requests.Response:
        headers, model = told.pop("headers", {}), told.pop("model", "anything_V5")
        prompt = json.dumps({"log": str(tmp_path / "log"), **told})
        return own.ask(Generate, prompt=prompt, model=model, headers=headers)

    return ask


def lines(folder: Path) -> list[list[str]]:
    log = folder / "log"
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def test_every_endpoint_is_answered(own: Served):
    for kind in ENDPOINTS:
        answer = own.ask(kind)
        assert answer.status_code == 200, (kind.path, answer.text)


def test_a_replica_that_dies_is_replaced_and_the_request_repeated(
    tell: Callable[..., requests.Response], tmp_path: Path
):
    assert tell(die=True).status_code == 200
    tries = lines(tmp_path)
    assert [line[0] for line in tries] == ["began", "began"]
    assert tries[0][1] != tries[1][1]


def test_progress_and_previews_come_through(
    own: Served, tell: Callable[..., requests.Response], tmp_path: Path
):
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(tell, steps=4, seconds=0.5, headers={"X-Request-Id": ID})
        seen: list[dict[str, Any]] = []

        def ended() -> bool:
            told = own.get(f"/progress/{ID}")
            if told.ok:
                seen.append(told.json())
            return asked.done()

        assert eventually(ended)
        assert asked.result().ok
    assert {told["step"] for told in seen} >= {2, 3}
    assert max(told["preview"] for told in seen) == 4
    assert {told["steps"] for told in seen} <= {0, 4}


def test_whoever_leaves_ends_the_work_of_the_replica(own: Served, tmp_path: Path):
    prompt = json.dumps({"log": str(tmp_path / "log"), "seconds": LONG})
    body = {"token": own.key, **body_of(Generate), "prompt": prompt}
    with ThreadPoolExecutor(1) as pool:
        session = requests.Session()
        asked = pool.submit(session.post, own.url + "/generate", json=body, timeout=(LONG, 2.0))
        assert eventually(lambda: lines(tmp_path))
        with pytest.raises(requests.ReadTimeout):
            asked.result()
        session.close()
    assert eventually(lambda: any(line[0] == "left" for line in lines(tmp_path)))


def test_what_only_the_engine_can_refuse_is_told(tell: Callable[..., requests.Response]):
    answer = tell(fail=True)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"] == "is refused"


def test_a_request_goes_to_the_replica_that_used_its_model_last(
    tell: Callable[..., requests.Response], tmp_path: Path
):
    models = bundled()["models"][:2]

    def asked(times: int, **told: Any) -> list[set[str]]:
        """The processes that each model was asked of, in turn or, once, at the same time."""
        (tmp_path / "log").unlink(missing_ok=True)
        with ThreadPoolExecutor(2 if times == 1 else 1) as pool:
            asking = [pool.submit(tell, model=model, **told) for model in [*models] * times]
            assert all(each.result().ok for each in asking)
        return [{pid for _, pid, name in lines(tmp_path) if name == model} for model in models]

    def each_has_its_own() -> bool:
        first, second = asked(10)
        return len(first) == len(second) == 1 and first != second

    assert eventually(lambda: len(set.union(*asked(1, seconds=0.5))) == 2)  # both are there
    assert eventually(each_has_its_own)  # Ray knows it after a second


def test_another_front_uses_the_same_replicas(
    own: Served, tell: Callable[..., requests.Response], cluster: Any, tmp_path: Path
):
    assert tell().ok
    with served(tmp_path / "second", TOLD, cluster=cluster, name="second") as second:
        prompt = json.dumps({"log": str(tmp_path / "log")})
        assert second.ask(Generate, prompt=prompt, model="anything_V5").ok
    first, other = (pid for _, pid, _ in lines(tmp_path))
    assert first == other


def environment_of(own: Served, home: Path) -> dict[str, str]:
    return {
        "VISIONCRAFT_BASE_URL": own.url,
        "VISIONCRAFT_API_KEY": own.key,
        "VISIONCRAFT_HOME": str(home),
    }


def test_the_example_runs_through_both_nodes(
    own: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in environment_of(own, tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    assert main(["run", str(EXAMPLE), "--out", str(tmp_path / "out")]) == 0
    assert list((tmp_path / "out").rglob("*.png"))


def test_the_example_runs_from_a_comfyui(own: Served, tmp_path: Path):
    if not (found := find_all()):
        pytest.skip(HINT)
    folders.current.set(folders.Folders(tmp_path, ()))
    graph = load(EXAMPLE, {**NODE_CLASSES, **NODE_CLASS_MAPPINGS})
    environment = {**os.environ, "NO_PROXY": "*", **environment_of(own, tmp_path / "home")}
    environment.pop("PYTHONPATH")
    with Sandbox() as unused, running(found[0], tmp_path / "nodes", unused, environment) as comfyui:
        outputs = comfyui.run(
            graph.prompt(), extra_data={"extra_pnginfo": {"workflow": graph.canvas}}
        )
    assert any("images" in each for each in outputs.values())
    assert list((tmp_path / "nodes" / "output").rglob("*.png"))


def test_a_cluster_that_is_not_there_is_told():
    from visioncraft.visioncraft_core.serve.ray_engine import Cluster

    with pytest.raises(ConfigError, match=r"The Ray cluster 127\.0\.0\.1:1 cannot be used"):
        Cluster("127.0.0.1:1")
