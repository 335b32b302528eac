"""What a server of one's own adds to the time of its engines, and what those cost who wait."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.client import HTTPConnection
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from support.clients import body_of
from support.instant_engine import InstantEngine
from support.own_servers import process_of, served, written
from visioncraft.visioncraft_core.api.endpoints import Chat
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.serve import configuration
from visioncraft.visioncraft_core.serve.database import opened
from visioncraft.visioncraft_core.service.engine import Job, Output

pytestmark = pytest.mark.bench

WAITING = 2000
MODEL = "mistral-7b-instruct"  # of body_of(Chat)


class Sleeping(InstantEngine):
    """Takes 50 ms."""

    async def generate(self, request: Request, job: Job) -> Output:
        begun = time.monotonic()
        await asyncio.sleep(0.05)
        self.took = time.monotonic() - begun
        return await super().generate(request, job)


def memory_of(process: subprocess.Popen[str]) -> float:
    """MiB that are resident."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@asynccontextmanager
async def language_model(answer: Handler) -> AsyncIterator[str]:
    """The lines of a configuration for an engine whose server gives this answer."""
    upstream = web.Application()
    upstream.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(upstream, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield f'[[engine]]\nname = "words"\nkind = "openai"\nurl = "{url}"\n'
    await runner.cleanup()


async def ask(session: aiohttp.ClientSession, key: str) -> int:
    async with session.post("/llm", json={"token": key, **body_of(Chat)}) as answer:
        await answer.read()
        return answer.status


def session_of(url: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0))


def test_a_server_adds_at_most_5_ms(tmp_path: Path):
    """For a plain client: one of asyncio takes as long as the server."""
    engine = Sleeping()
    added = []
    with served(tmp_path, engine=engine) as own:
        connection = HTTPConnection(own.url.removeprefix("http://"))
        body = json.dumps({"token": own.key, **body_of(Chat)})
        for _ in range(60):
            begun = time.monotonic()
            connection.request("POST", "/llm", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            added.append(time.monotonic() - begun - engine.took)
            assert answer.status == 200
        connection.close()
    median = statistics.median(added)
    print(f"\nadded: {median * 1000:.2f} ms (p50)")  # noqa: T201
    assert median < 0.005


def test_2000_requests_that_wait_cost_at_most_150_mb_and_leave_at_once(tmp_path: Path):
    left = asyncio.Event()

    async def never(_request: web.Request) -> web.Response:
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        raise AssertionError

    async def waiting(session: aiohttp.ClientSession) -> int:
        async with session.get("/state") as answer:
            (engine,) = (await answer.json())["engines"]
            return engine["waiting"]

    async def measure() -> tuple[float, float]:
        async with language_model(never) as text:
            text += f'at_once = 1\nqueue = {WAITING + 10}\n[models-llm]\n"{MODEL}" = "m"\n'
            config = written(tmp_path, text)
            with opened(configuration.read(config).database) as database:
                key = database.add_key("anna")
            with process_of(config) as (process, url):
                async with session_of(url) as session:
                    asked = [asyncio.ensure_future(ask(session, key))]
                    await waiting(session)
                    before = memory_of(process)
                    while len(asked) <= WAITING:
                        asked += [asyncio.ensure_future(ask(session, key)) for _ in range(100)]
                        while await waiting(session) < len(asked) - 1:
                            assert not [task for task in asked if task.done()]
                    used = memory_of(process) - before
                    for task in asked[1:]:
                        task.cancel()
                    await asyncio.gather(*asked[1:], return_exceptions=True)
                    while await waiting(session):
                        pass
                    begun = time.monotonic()
                    asked[0].cancel()
                    await left.wait()
                    return used, time.monotonic() - begun

    used, seconds = asyncio.run(measure())
    print(f"\n{WAITING} wait: {used:.0f} MiB; cancelled after {seconds:.3f} s")  # noqa: T201
    assert used < 150 * 1e6 / 2**20
    assert seconds < 0.3


def test_200_requests_a_second_of_words_go_through(tmp_path: Path):
    async def words(_request: web.Request) -> web.Response:
        told = {"choices": [{"message": {"content": "a fox"}}]}
        return web.json_response(told)

    async def measure() -> float:
        async with language_model(words) as text:
            text += f'at_once = 16\nqueue = 1000\n[models-llm]\n"{MODEL}" = "m"\n'
            with served(tmp_path, text) as own:
                async with session_of(own.url) as session:
                    begun = time.monotonic()
                    asked = (ask(session, own.key) for _ in range(600))
                    assert set(await asyncio.gather(*asked)) == {200}
                    return 600 / (time.monotonic() - begun)

    rate = asyncio.run(measure())
    print(f"\n{rate:.0f} requests a second of words")  # noqa: T201
    assert rate > 200
