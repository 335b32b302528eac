from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from pathlib import Path

import pytest
from support.hosts import Interrupted
from support.processes import run_together
from support.timing import at_most, eventually
from visioncraft.nodes import comfy
from visioncraft.visioncraft_core.background import Background
from visioncraft.visioncraft_core.errors import Cancelled, ConfigError

pytestmark = pytest.mark.timed


class Host(comfy.QuietHost):
    def __init__(self, after: float = 1e9) -> None:
        self._until = time.monotonic() + after

    def interrupted(self) -> bool:
        return time.monotonic() > self._until

    def interruption(self) -> BaseException:
        return Interrupted()


class Listener(Host):
    has_canvas = True

    def __init__(self, after: float = 1e9) -> None:
        super().__init__(after)
        self.heard: list[str] = []

    def progress_callback(self):
        return self.heard.append


def waits(should_cancel) -> str:
    while not should_cancel():
        time.sleep(0.01)
    return "stopped"


def test_work_gives_its_result_and_raises_its_error():
    assert asyncio.run(comfy.call(lambda say, stop: 7)) == 7

    def fails(say, stop):
        raise ConfigError("What.", "Do.")

    with pytest.raises(ConfigError, match=r"What\. Do\.") as caught:
        asyncio.run(comfy.call(fails))
    assert caught.value.__suppress_context__


def test_an_interrupt_frees_every_waiting_node_with_the_hosts_own_exception():
    comfy.use(Host(after=0.3))
    ended = []

    async def both() -> None:
        calls = [
            comfy.call(lambda say, stop: ended.append(waits(stop))),
            comfy.call(lambda say, stop: ended.append(waits(stop))),
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(r) for r in results] == [Interrupted, Interrupted]

    started = time.monotonic()
    asyncio.run(both())
    assert time.monotonic() - started < 0.3 + at_most(0.25)
    assert eventually(lambda: len(ended) == 2)
    assert ended == ["stopped", "stopped"]


def test_a_cancelled_task_never_leaks_a_cancelled_error():
    comfy.use(Host())

    async def cancelled() -> None:
        task = asyncio.ensure_future(comfy.call(lambda say, stop: waits(stop)))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(Interrupted):
            await task

    asyncio.run(cancelled())


def test_a_loop_that_is_blocked_does_not_delay_the_work():
    finished = []

    async def blocked() -> None:
        task = asyncio.ensure_future(comfy.call(lambda s, c: finished.append(time.monotonic())))
        await asyncio.sleep(0)
        time.sleep(0.4)  # a sampler
        finished.append(time.monotonic())
        await task

    asyncio.run(blocked())
    assert finished[1] - finished[0] > 0.2


def test_work_runs_in_the_context_of_its_node():
    node = contextvars.ContextVar("node", default="none")

    async def run() -> str:
        node.set("7")
        job = Background(node.get)
        await job.done
        return job.result()

    assert asyncio.run(run()) == "7"


def test_work_that_outlives_its_loop_is_forgotten_quietly():
    async def leave() -> None:
        Background(left.wait)

    left = threading.Event()
    asyncio.run(leave())
    left.set()
    assert eventually(lambda: not [t for t in threading.enumerate() if t.name == "visioncraft"])


def test_a_host_with_a_canvas_shows_how_long_a_node_has_waited():
    host = Listener()
    comfy.use(host)

    def work(say, stop):
        say("waiting")
        time.sleep(1.3)
        say("fetching")

    asyncio.run(comfy.call(work))
    assert host.heard == ["waiting", "waiting (1 s)", "fetching", "fetching"]  # the last one stays


def test_a_node_that_was_interrupted_does_not_go_on_saying_what_it_waits_for():
    host = Listener(after=0.2)
    comfy.use(host)
    late = threading.Event()

    def work(say, stop):
        say("waiting")
        waits(stop)
        late.wait(30)
        say("trying again")
        late.clear()

    with pytest.raises(Interrupted):
        asyncio.run(comfy.call(work))
    assert host.heard == ["waiting", "Stopped."]
    late.set()
    while late.is_set():
        time.sleep(0.01)
    assert host.heard == ["waiting", "Stopped."]


def test_a_node_that_failed_says_so():
    host = Listener()
    comfy.use(host)

    def fails(say, stop):
        say("waiting")
        raise ConfigError("What.", "Do.")

    with pytest.raises(ConfigError):
        asyncio.run(comfy.call(fails))
    assert host.heard == ["waiting", "Failed: What. Do."]


def test_without_comfyui_the_quiet_host_serves(home: Path):
    assert isinstance(comfy.host(), comfy.QuietHost)
    assert not isinstance(comfy.host(), comfy.ComfyHost)
    assert comfy.host().home() == home
    assert isinstance(comfy.host().interruption(), Cancelled)


# ComfyUI's numbers at the worst moment: everybody is told the same one.
COMFYUI_SAVES = """
import sys, types
from visioncraft.nodes.comfy import ComfyHost

folder, me = sys.argv[1:]
paths = types.ModuleType("folder_paths")
paths.get_directory_by_type = lambda place: folder
paths.get_save_image_path = lambda prefix, root: (root, prefix, 1, "", prefix)
sys.modules["folder_paths"] = paths
print("ready", flush=True)
sys.stdin.readline()
for number in range(50):
    content = f"{me} {number}".encode()
    entry = ComfyHost().save(content, "fox", "gif")
    assert (entry["subfolder"], entry["type"]) == ("", "output")
    with open(f"{folder}/{entry['filename']}", "rb") as file:
        assert file.read() == content
"""


def test_comfyuis_that_save_to_one_folder_lose_no_file(tmp_path: Path):
    run_together(COMFYUI_SAVES, tmp_path)
    saved = sorted(tmp_path.iterdir())
    assert [path.name for path in saved] == [f"fox_{n:05}_.gif" for n in range(1, 101)]
    assert len({path.read_bytes() for path in saved}) == 100
