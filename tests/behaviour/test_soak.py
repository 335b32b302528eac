"""Ten thousand calls at once and after each other, with faults among them, and processes that are
killed in the middle of two hundred: `pytest -m soak`.

Prints what it measured: how the calls ended, how often the server worked twice on one, what the
process grew by, and what the kills left behind.
"""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from support.instant_engine import InstantEngine
from support.timing import HANG
from visioncraft.visioncraft_core import (
    Chat,
    Client,
    Generate,
    GenerateXL,
    Profile,
    Secret,
    Timeouts,
    errors,
)
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.engine import Job, Output
from visioncraft.visioncraft_core.service.faults.rules import parse
from visioncraft.visioncraft_core.store.store import Store

pytestmark = pytest.mark.soak

CALLS, THREADS, FAULTY = 10_000, 16, 0.05
LIMITS = Timeouts(connect=5.0, upload=5.0, first_byte=20.0, stall=1.0, total=40.0)
FAULTS = [
    *("500", "502", "503", "503:1", "429", "429:1", "403-key", "422", "404", "reset", "close"),
    *("early-reset", "truncate", "reset-body", "cut-headers", "banner", "html", "empty", "null"),
    *("error-200", "json-cut", "chunk-cut", "length-twice", "gzip-cut", "redirect-loop", "999"),
    *("no-length-cut", "hang-body", "images-empty", "dead-link"),
]


class Seeded:
    """Strikes FAULTY of the requests with faults in an order that is always the same."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self.struck: Counter[str] = Counter()

    def match(self, path: str):
        with self._lock:
            if path.strip("/") not in ("generate-xl", "llm") or self._chance.random() > FAULTY:
                return None
            fault = self._chance.choice(FAULTS)
            self.struck[fault] += 1
            return parse(f"*={fault}").match(path)


def resident() -> float:
    """Mebibytes of memory in use."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def own_threads() -> int:
    names = ("visioncraft-call", "visioncraft-batch")
    return len([thread for thread in threading.enumerate() if thread.name in names])


def request(number: int) -> Request:
    if number % 4:
        words = {"role": "user", "content": f"idea {number}"}
        return Chat(model="openchat-7b", messages=(words,))
    return GenerateXL(prompt=f"idea {number}", width=64, height=64)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="measures with Linux's /proc")
def test_ten_thousand_calls_with_faults_hang_nothing_pay_nothing_twice_and_grow_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
):
    seeded = Seeded(20240215)
    endings: Counter[str] = Counter()
    perhaps: Counter[bool] = Counter()
    memory: list[float] = []
    numbers = iter(range(CALLS))
    lock = threading.Lock()
    with Sandbox(faults=[seeded]) as sandbox:  # type: ignore[list-item]
        profile = Profile(
            "soak", sandbox.url, Secret("sandbox-free"), LIMITS, max_concurrency=THREADS
        )
        client = Client(profile, home=home)

        def work() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                    if number is not None and number % 1000 == 0:
                        memory.append(resident())
                if number is None:
                    return
                charged = "yes"
                try:
                    client.send(request(number))
                    ending = "done"
                except errors.VisionCraftError as error:
                    ending, charged = type(error).__name__, error.charged
                except BaseException as error:  # noqa: BLE001 - counted, and then judged
                    ending = f"untyped {type(error).__name__}"
                with lock:
                    endings[ending] += 1
                    perhaps[charged != "no"] += 1

        before = descriptors(), own_threads()
        started = time.monotonic()
        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=1500)
        hanging = [thread for thread in threads if thread.is_alive()]
        seconds = time.monotonic() - started
        memory.append(resident())
        time.sleep(2)
        after = descriptors(), own_threads()
        worked = sandbox.executions
    with capsys.disabled():
        sys.stdout.write(
            f"\n{CALLS} calls in {seconds:.0f} s; struck {sum(seeded.struck.values())} times\n"
            f"endings {dict(endings)}; worked on {worked}\n"
            f"memory at each thousand {[round(m) for m in memory]} MiB\n"
            f"descriptors and threads before {before}, after {after}\n"
        )
    assert not hanging
    assert sum(endings.values()) == CALLS
    assert not [ending for ending in endings if ending.startswith("untyped")]
    assert worked <= perhaps[True]  # else a call was worked on twice
    assert memory[-1] - memory[2] <= 20
    assert after[0] - before[0] <= 5
    assert after[1] == before[1] == 0


ROUNDS, AT_ONCE, NEW_IN_EACH, CHOICE = 50, 4, 6, 24

# Asks for one of the latest requests, again and again, and notes each that it has the result of.
WORKER = """
import random, sys, time
from visioncraft.visioncraft_core import Client, Generate, Profile, Secret
url, home, done, first, choice = sys.argv[1:]
client = Client(Profile("kills", url, Secret("sandbox-free")), home=home)
with open(done, "a") as notes:
    print("ready", flush=True)
    while True:
        number = int(first) + random.randrange(int(choice))
        client.send(Generate(model="anything_V5", sampler="Euler", prompt=f"idea {number}",
                             image_count=number % 3 + 1))
        notes.write(f"{number} {time.monotonic()}\\n")
        notes.flush()
"""


class Timed(InstantEngine):
    """Notes when it was asked for each prompt, on the clock that all processes share."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, float]] = []

    async def generate(self, request: Request, job: Job) -> Output:
        self.asked.append((int(request.prompt.split()[1]), time.monotonic()))  # type: ignore[attr-defined]
        return await super().generate(request, job)


@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform != "linux", reason="the clock of all processes is Linux's")
def test_two_hundred_kills_leave_a_whole_store_no_lock_and_nothing_paid_twice(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    engine, chance, done = Timed(), random.Random(9), tmp_path / "done"
    with Sandbox(engine=engine) as sandbox:
        for number in range(ROUNDS):
            numbers = str(number * NEW_IN_EACH), str(CHOICE)
            command = [sys.executable, "-c", WORKER, sandbox.url, str(home), str(done), *numbers]
            workers = [
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(AT_ONCE)
            ]
            for worker in workers:
                assert worker.stdout
                assert worker.stdout.readline() == "ready\n"
            for worker in workers:
                time.sleep(chance.uniform(0.0, 0.3))
                worker.kill()
                worker.communicate()
        found: dict[int, float] = {}
        for line in done.read_text().splitlines():
            number, moment = line.split()
            found[int(number)] = min(float(moment), found.get(int(number), float("inf")))
        again = [number for number, moment in engine.asked if moment > found.get(number, moment)]
        first, second = (Store(home / "store").verify() for _ in range(2))
        before = len(engine.asked)
        client = Client(Profile("kills", sandbox.url, Secret("sandbox-free")), home=home)
        ending = threading.Thread(target=_ask_for_all, args=(client, sorted(found)), daemon=True)
        ending.start()
        ending.join(HANG)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{ROUNDS * AT_ONCE} kills: {len(found)} requests had results, "
            f"{before} were worked on, {before - len({n for n, _ in engine.asked})} of them twice "
            f"because of a kill; paid again after a result: {again}; {first}, then {second}\n"
        )
    assert not ending.is_alive()  # no lock was left behind
    assert not again
    assert len(engine.asked) == before
    assert (first.damaged, second.damaged, second.missing) == (0, 0, 0)


def _ask_for_all(client: Client, numbers: list[int]) -> None:
    for number in numbers:
        client.send(
            Generate(
                model="anything_V5",
                sampler="Euler",
                prompt=f"idea {number}",
                image_count=number % 3 + 1,
            )
        )
