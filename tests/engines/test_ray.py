"""Engines as replicas in a Ray cluster: two nodes on this computer, on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests
from support.clients import body_of
from support.comfyui import HINT, find_all, running
from support.comfyui_stand_in import StandIn
from support.own_servers import Served, served, written
from support.paths import ROOT
from support.replicas import build, two_nodes
from support.timing import HANG, LONG, eventually
from visioncraft.nodes import NODE_CLASS_MAPPINGS
from visioncraft.nodes.headless import folders
from visioncraft.nodes.headless.canvas.workflow import load
from visioncraft.nodes.headless.cli import main
from visioncraft.nodes.headless.hostnodes import NODE_CLASSES
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.api.endpoints import ENDPOINTS, Generate
from visioncraft.visioncraft_core.errors import ConfigError
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.serve.ray_cluster import join

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
    made = join(address, build)
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


@pytest.mark.parametrize("headers", [{}, {"X-Request-Id": ID[:-1] + "a"}])
def test_a_replica_that_dies_is_replaced_and_the_request_repeated(
    tell: Callable[..., requests.Response], tmp_path: Path, headers: dict[str, str]
):
    assert tell(die=True, headers=headers).status_code == 200
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


@pytest.mark.parametrize("headers", [{}, {"X-Request-Id": ID[::-1]}])
def test_whoever_leaves_ends_the_work_of_the_replica(
    own: Served, tmp_path: Path, headers: dict[str, str]
):
    prompt = json.dumps({"log": str(tmp_path / "log"), "seconds": LONG})
    body = {"token": own.key, **body_of(Generate), "prompt": prompt}
    with ThreadPoolExecutor(1) as pool:
        session = requests.Session()
        more: dict[str, Any] = {"json": body, "headers": headers, "timeout": (LONG, 2.0)}
        asked = pool.submit(session.post, own.url + "/generate", **more)
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
    with served(tmp_path / "second", TOLD, cluster=cluster, name="second") as second:
        prompt = json.dumps({"log": str(tmp_path / "log")})

        def both_ask_the_same() -> bool:
            assert tell().ok
            assert second.ask(Generate, prompt=prompt, model="anything_V5").ok
            first, other = (pid for _, pid, _ in lines(tmp_path)[-2:])
            return first == other

        assert eventually(both_ask_the_same)  # Ray tells it after a second


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


def test_a_front_that_finds_every_replica_busy_says_so(cluster: Any, tmp_path: Path):
    narrow = '[[engine]]\nname = "narrow"\nkind = "painted"\nqueue = 0\nmax_replicas = 1\n'
    with served(tmp_path / "own", narrow, cluster=cluster) as own, ThreadPoolExecutor(2) as pool:
        queue, end = own.server.engines.queues[0], tmp_path / "end"
        queue.at_once = 3  # more than Ray was told, as if other fronts had come

        def ask() -> requests.Response:
            told = {"log": str(tmp_path / "log"), "until": str(end)}
            return own.ask(Generate, prompt=json.dumps(told), model="anything_V5")

        at_work = pool.submit(ask)
        assert eventually(lambda: lines(tmp_path))
        waits = pool.submit(ask)
        assert eventually(lambda: queue.at_work == 2)
        refused = ask()
        end.touch()
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert at_work.result().ok
        assert waits.result().ok


def test_a_request_that_finds_no_replica_is_not_tried_again_without_a_pause():
    from ray.serve._private.common import DeploymentHandleSource, DeploymentID, RequestMetadata
    from ray.serve.request_router import PendingRequest
    from visioncraft.visioncraft_core.serve.ray_router import FreeReplicas

    async def choose() -> None:
        router = FreeReplicas(DeploymentID("a"), DeploymentHandleSource.UNKNOWN)
        router.initialize_state(models=1)
        waits = PendingRequest(args=[], kwargs={}, metadata=RequestMetadata("a", "b"))
        assert not any(await router.choose_replicas([], waits))
        assert waits.routing_context.should_backoff

    asyncio.run(choose())


def test_replicas_that_do_not_start_are_told(
    cluster: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    broken = '[[engine]]\nname = "broken"\nkind = "painted"\n'
    with served(tmp_path / "own", broken, cluster=cluster) as own:
        assert own.ask(Generate).status_code == 503
        assert "do not start" in own.server.problems()[0]
    assert "broken cannot be deployed: LookupError: broken" in caplog.text


def test_replicas_come_with_the_load(cluster: Any, tmp_path: Path):
    grows = '[[engine]]\nname = "grows"\nkind = "painted"\nmin_replicas = 0\nmax_replicas = 2\n'
    with served(tmp_path / "own", grows, cluster=cluster) as own, ThreadPoolExecutor(4) as pool:
        end = tmp_path / "end"
        told = {"log": str(tmp_path / "log"), "until": str(end)}
        prompt = json.dumps(told)
        asked = [
            pool.submit(own.ask, Generate, prompt=prompt, model="anything_V5") for _ in range(4)
        ]
        both = eventually(lambda: len({pid for _, pid, _ in lines(tmp_path)}) == 2)
        end.touch()
        assert both
        assert all(each.result().ok for each in asked)


@contextmanager
def comfyui() -> Iterator[str]:
    """The address of a ComfyUI that is none."""
    addresses: list[str] = []
    ready, end = threading.Event(), threading.Event()

    async def serve() -> None:
        async with StandIn({"checkpoints": ["a.safetensors"]}).serve() as made:
            addresses.append(made.url)
            ready.set()
            await asyncio.to_thread(end.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(HANG)
        yield addresses[0]
    finally:
        end.set()
        thread.join()


def processes_with(marker: str) -> set[int]:
    """Those that live and have `marker` in their environment."""
    found = set[int]()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in path.read_bytes():
                found.add(int(path.parent.name))
        except OSError:  # it has ended, or is another user's
            continue
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_command_serves_until_ctrl_c_and_leaves_no_process(tmp_path: Path):
    program = str(Path(sys.executable).with_name("visioncraft"))
    with comfyui() as url, tempfile.TemporaryDirectory(prefix="vc", dir="/tmp") as short:
        text = f'[[engine]]\nname = "a"\nkind = "comfyui"\nurl = "{url}"\n'
        written(tmp_path, text + '[models]\n"anything_V5" = "a.safetensors"\n')
        home = {"VISIONCRAFT_HOME": str(tmp_path), "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
        environment = {**os.environ, **home, "RAY_TMPDIR": short}  # its sockets need short names
        arguments: Any = {
            "stdout": subprocess.PIPE,
            "text": True,
            "env": environment,
            "cwd": tmp_path,
        }
        add = [program, "serve", "key", "add", "anna"]
        key = subprocess.run(add, check=True, **arguments).stdout.strip()
        with subprocess.Popen(
            [program, "serve", "--ray"], start_new_session=True, **arguments
        ) as process:
            try:
                assert process.stdout
                address = process.stdout.readline().split()[-1]
                body = {"token": key, **body_of(Generate)}
                headers = {"X-Request-Id": ID}
                answer = requests.post(
                    address + "/generate", json=body, headers=headers, timeout=LONG
                )
                assert answer.ok, answer.text
                told = requests.get(f"{address}/progress/{ID}", timeout=LONG).json()
                assert told["state"] == "done"
                assert told["step"] == told["steps"] > 0
                assert told["preview"] > 0
                assert len(processes_with(short)) > 3
                os.killpg(process.pid, signal.SIGINT)
                assert process.wait(HANG) == 0
            finally:
                process.kill()
        assert eventually(lambda: not processes_with(short))


def test_a_cluster_that_is_not_there_is_told():
    with pytest.raises(ConfigError, match=r"The Ray cluster 127\.0\.0\.1:1 cannot be used"):
        join("127.0.0.1:1")
