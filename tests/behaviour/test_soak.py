"""Ten thousand calls at once and after each other, with faults among them: `pytest -m soak`.

Prints what it measured: how the calls ended, how often the server worked twice on one, and what the
process grew by.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from visioncraft.visioncraft_core import Chat, Client, GenerateXL, Profile, Secret, Timeouts, errors
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.sandbox import Sandbox
from visioncraft.visioncraft_core.service.faults.rules import parse

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
