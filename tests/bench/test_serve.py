"""What a server of one's own adds to the time of its engines, and what those cost who wait."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from support.clients import body_of
from support.instant_engine import InstantEngine
from support.own_servers import PAINTED, Served, served
from support.timing import HANG
from visioncraft.visioncraft_core.api.endpoints import Chat
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.service.engine import Job, Output

pytestmark = pytest.mark.bench

WAITING = 2000


class Sleeping(InstantEngine):
    """Takes 50 ms, or for ever."""

    def __init__(self, seconds: float = 0.05) -> None:
        self.seconds = seconds
        self.left = asyncio.Event()

    async def generate(self, request: Request, job: Job) -> Output:
        begun = time.monotonic()
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.left.set()
            raise
        self.took = time.monotonic() - begun
        return await super().generate(request, job)


def memory() -> float:
    """MiB of this process that are resident."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def ask(session: aiohttp.ClientSession, own: Served) -> int:
    async with session.post("/llm", json={"token": own.key, **body_of(Chat)}) as answer:
        await answer.read()
        return answer.status


def session_of(own: Served) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(own.url, connector=aiohttp.TCPConnector(limit=0))


def test_a_server_adds_at_most_5_ms(tmp_path: Path):
    async def measure(own: Served, engine: Sleeping) -> float:
        added = []
        async with session_of(own) as session:
            for _ in range(60):
                begun = time.monotonic()
                assert await ask(session, own) == 200
                added.append(time.monotonic() - begun - engine.took)
        return statistics.median(added)

    engine = Sleeping()
    with served(tmp_path, engine=engine) as own:
        added = asyncio.run(measure(own, engine))
    print(f"\nadded: {added * 1000:.2f} ms (p50)")  # noqa: T201
    assert added < 0.005


def test_2000_requests_that_wait_cost_at_most_150_mb_and_leave_at_once(tmp_path: Path):
    async def measure(own: Served, engine: Sleeping) -> tuple[float, float]:
        queue = own.server.engines.queues[0]
        async with session_of(own) as session:
            # The client is in this process as well, and counts.
            before = memory()
            asked = [asyncio.ensure_future(ask(session, own))]
            while len(asked) <= WAITING:
                asked += [asyncio.ensure_future(ask(session, own)) for _ in range(100)]
                while queue.waiting < len(asked) - 1:
                    assert not [task for task in asked if task.done()]
                    await asyncio.sleep(0.02)
            used = memory() - before
            for task in asked[1:]:
                task.cancel()
            await asyncio.gather(*asked[1:], return_exceptions=True)
            while queue.waiting:
                await asyncio.sleep(0.001)
            begun = time.monotonic()
            asked[0].cancel()
            while queue.at_work:
                await asyncio.sleep(0.001)
            return used, time.monotonic() - begun

    engine = Sleeping(HANG)
    text = f"{PAINTED}queue = {WAITING + 10}\n"
    with served(tmp_path, text, engine=engine) as own:
        used, seconds = asyncio.run(measure(own, engine))
    print(f"\n{WAITING} wait: {used:.0f} MiB with their clients; cancelled after {seconds:.3f} s")  # noqa: T201
    assert used < 150 * 1e6 / 2**20
    assert seconds < 0.3


def test_200_requests_a_second_of_words_go_through(tmp_path: Path):
    async def words(_request: web.Request) -> web.Response:
        told = {"choices": [{"message": {"content": "a fox"}}]}
        return web.json_response(told)

    async def measure() -> float:
        upstream = web.Application()
        upstream.router.add_post("/v1/chat/completions", words)
        runner = web.AppRunner(upstream, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        text = (
            f'[[engine]]\nname = "words"\nkind = "openai"\nurl = "http://127.0.0.1:{port}/v1"\n'
            'at_once = 16\nqueue = 1000\n[models-llm]\n"mistral-7b-instruct" = "m"\n'
        )
        with served(tmp_path, text) as own:
            async with session_of(own) as session:
                begun = time.monotonic()
                answers = await asyncio.gather(*(ask(session, own) for _ in range(600)))
                seconds = time.monotonic() - begun
        assert set(answers) == {200}
        await runner.cleanup()
        return 600 / seconds

    rate = asyncio.run(measure())
    print(f"\n{rate:.0f} requests a second of words")  # noqa: T201
    assert rate > 200
