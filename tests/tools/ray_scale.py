"""Measures what web/docs/scale.md says: a server whose engines are replicas in a Ray cluster.

    python tests/tools/ray_scale.py throughput|models|kills|overhead [--minutes N] [--replicas N]
        [--requests N] [--seconds N]

Each replica sleeps, so that many of them fit on one computer. Requests are HTTP, as clients ask.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
from support.clients import body_of
from support.own_servers import Served, served
from support.replicas import build, two_nodes
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.api.endpoints import Generate
from visioncraft.visioncraft_core.serve.ray_cluster import join

ENGINE = """
[[engine]]
name = "told"
kind = "painted"
at_once = {at_once}
queue = 20000
min_replicas = {replicas}
max_replicas = {replicas}
models = {models}
"""

Measure = Callable[["Scene"], Coroutine[Any, Any, None]]


class Scene:
    """A server, its replicas and what they wrote down."""

    def __init__(self, own: Served, session: aiohttp.ClientSession, log: Path) -> None:
        self.own, self.log = own, log
        self._session = session
        self.again = 0  # answers 503, after which a client comes again

    def _body(self, model: str = "anything_V5", **told: Any) -> dict[str, Any]:
        prompt = json.dumps({"log": str(self.log), **told})
        return {**body_of(Generate), "token": self.own.key, "prompt": prompt, "model": model}

    def ask_plainly(self, connection: HTTPConnection, **told: Any) -> float:
        """As `ask`, with a client that takes hardly any time: one of asyncio takes as long as a
        server."""
        body = json.dumps(self._body(**told))
        begun = time.monotonic()
        connection.request("POST", "/generate", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        seconds = time.monotonic() - begun
        assert answer.status == 200, text
        return seconds

    async def ask(self, *model: str, **told: Any) -> float:
        """The seconds until it was answered with pictures."""
        body = self._body(*model, **told)
        begun = time.monotonic()
        while True:
            async with self._session.post("/generate", json=body) as answer:
                text = await answer.text()
                if answer.status == 200:
                    assert json.loads(text)["images"]
                    return time.monotonic() - begun
                assert answer.status == 503, text
                self.again += 1
                await asyncio.sleep(float(answer.headers["Retry-After"]))

    def began(self) -> list[tuple[str, str]]:
        """Process and model of each try, in the order of their beginnings."""
        if not self.log.exists():
            return []
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return [(pid, model) for what, pid, model in lines if what == "began"]

    def done(self) -> int:
        """Requests that count as done for the key."""
        return sum(each.done for each in self.own.server.database.usage(1))

    def processes(self) -> list[int]:
        """Those of the replicas that live."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if path.read_bytes().startswith(b"ray::ServeReplica:visioncraft-told:"):
                    found.append(int(path.parent.name))
            except OSError:  # it ended in this moment
                continue
        return found


@asynccontextmanager
async def scene(
    cluster: Any, replicas: int, models: int = 1, at_once: int = 1
) -> AsyncIterator[Scene]:
    text = ENGINE.format(replicas=replicas, models=models, at_once=at_once)
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), text, cluster=cluster) as own,
    ):
        async with aiohttp.ClientSession(own.url, connector=connector, timeout=timeout) as session:
            made = Scene(own, session, Path(folder) / "log")
            for _ in range(60):  # until all replicas are there
                await made.ask()
                if len(made.processes()) >= replicas:
                    break
                await asyncio.sleep(1)
            await asyncio.gather(*(made.ask(seconds=0.5) for _ in range(2 * replicas)))
            await asyncio.sleep(1.0)  # until the last use is noted
            made.log.unlink()
            made.again = 0
            yield made


async def throughput(cluster: Any, options: argparse.Namespace) -> None:
    for replicas in options.replicas or (1, 2, 4, 8):
        async with scene(cluster, replicas) as made:
            rounds = 20
            begun = time.monotonic()
            await asyncio.gather(*(made.ask(seconds=2.0) for _ in range(rounds * replicas)))
            seconds = time.monotonic() - begun
        factor = rounds * replicas * 2.0 / seconds
        told(f"{replicas} replicas: {factor:.2f} times one engine, {factor / replicas:.3f} each")


async def models(cluster: Any, options: argparse.Namespace) -> None:
    names = bundled()["models"][:20]
    for replicas, kept in ((4, 5), (4, 1)):
        async with scene(cluster, replicas, kept) as made:
            asked = [name for name in names for _ in range(options.requests // len(names))]
            random.Random(1).shuffle(asked)
            begun = time.monotonic()
            at_a_time = asyncio.Semaphore(200)

            async def ask(name: str, gate: asyncio.Semaphore = at_a_time) -> None:
                async with gate:
                    await made.ask(name, seconds=options.seconds)

            await asyncio.gather(*map(ask, asked))
            seconds, switches = time.monotonic() - begun, loads(made.began(), kept)
        rate = len(asked) / seconds
        told(
            f"{len(asked)} requests of {len(names)} models and {options.seconds:g} s, "
            f"{replicas} replicas that keep {kept}: "
            f"{switches} loads, {len(names)} are the least; {rate:.0f} requests a second"
        )


def loads(began: list[tuple[str, str]], kept: int) -> int:
    """How often a replica that keeps so many models, the last ones, has to load one."""
    count, held = 0, {}
    for process, model in began:
        mine = held.setdefault(process, {})
        if model in mine:
            del mine[model]
        else:
            count += 1
            if len(mine) == kept:
                del mine[next(iter(mine))]
        mine[model] = None
    return count


async def kills(cluster: Any, options: argparse.Namespace) -> None:
    (replicas,) = options.replicas or (4,)
    async with scene(cluster, replicas) as made:
        end, killed, answered = time.monotonic() + options.minutes * 60, 0, Counter[str]()
        before = made.done()

        async def client(number: int) -> None:
            count = 0
            while time.monotonic() < end:
                count += 1
                await made.ask(seconds=2.0)
                answered[f"{number} {count}"] += 1

        clients = [asyncio.ensure_future(client(n)) for n in range(replicas)]
        while time.monotonic() < end:
            await asyncio.sleep(5.0)
            if processes := made.processes():
                os.kill(random.choice(processes), signal.SIGKILL)
                killed += 1
        results = await asyncio.gather(*clients, return_exceptions=True)
        lost = [each for each in results if each is not None]
        await asyncio.sleep(1.0)  # until the last use is noted
        tries, again, done = len(made.began()), made.again, made.done() - before
    total = sum(answered.values())
    told(
        f"{killed} replicas of {replicas} killed in {options.minutes:g} minutes: {total} requests "
        f"answered, {len(lost)} lost, {sum(n > 1 for n in answered.values())} answered twice; "
        f"{tries} tries, {again} times a client was told to come again; counted as done: {done}"
    )
    assert not lost, lost


async def overhead(cluster: Any, options: argparse.Namespace) -> None:
    async with scene(cluster, 1) as made:
        took, before = [], cpu(made.processes())
        connection = HTTPConnection(made.own.url.removeprefix("http://"))
        for _ in range(options.requests if options.requests < 1000 else 200):
            asked = asyncio.to_thread(made.ask_plainly, connection, seconds=0.05)
            took.append(await asked - 0.05)
            await asyncio.sleep(0.02)
        connection.close()
        spent = [
            (now - was) / len(took) for now, was in zip(cpu(made.processes()), before, strict=True)
        ]
    took.sort()
    told(
        f"a server with Ray adds {statistics.median(took) * 1000:.1f} ms (p50), "
        f"{took[len(took) // 10] * 1000:.1f} (p10), {took[len(took) * 9 // 10] * 1000:.1f} (p90); "
        f"CPU ms for each: {spent[0]:.1f} of client and server, {spent[1]:.1f} of the replica"
    )


def cpu(replicas: list[int]) -> tuple[float, float]:
    """Milliseconds that this process and the replicas have used."""
    tick, stats = 1000 / os.sysconf("SC_CLK_TCK"), [Path(f"/proc/{n}/stat") for n in replicas]
    used = [path.read_text().rpartition(")")[2].split()[11:13] for path in stats]
    return time.process_time() * 1000, sum(int(ticks) for each in used for ticks in each) * tick


def told(line: str) -> None:
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    sys.stdout.write(f"{line} [load {load}, {os.cpu_count()} CPUs]\n")
    sys.stdout.flush()


MEASURES = {each.__name__: each for each in (throughput, models, kills, overhead)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measures", nargs="+", choices=MEASURES)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--replicas", type=int, nargs="+")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=0.0, help="of each request of `models`")
    parser.add_argument(
        "--address",
        help="of a cluster, instead of two nodes of this computer; its nodes need PYTHONPATH=tests",
    )
    options = parser.parse_args()

    def run(address: str) -> None:
        cluster = join(address, build)
        try:
            for name in options.measures:
                asyncio.run(MEASURES[name](cluster, options))
        finally:
            cluster.close()

    if options.address:
        run(options.address)
        return
    with two_nodes() as address:
        run(address)


if __name__ == "__main__":
    main()
