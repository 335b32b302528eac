"""Which of several engines makes a result."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.instant_engine import InstantEngine
from support.own_servers import served
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.api.endpoints import Generate, Upscale
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.service.engine import (
    EngineBusy,
    EngineError,
    EngineUnavailable,
    GenerationFailed,
    Job,
    Output,
)
from visioncraft.visioncraft_core.service.engines.router import Router
from visioncraft.visioncraft_core.service.queue import QueuedEngine, Turns


class Member(InstantEngine):
    """Offers /generate with `models`, and raises what is put into `failures`, one each time."""

    def __init__(self, *models: str) -> None:
        self.models = models
        self.failures: list[Exception] = []
        self.asked: list[str] = []
        self.hold: asyncio.Semaphore | None = None  # ends one each time
        self.closed = False

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        return {"models": self.models}

    def serves(self, request: Request) -> bool:
        return isinstance(request, Generate) and request.model in self.models

    async def generate(self, request: Any, job: Job) -> Output:
        self.asked.append(request.model)
        if self.hold:
            await self.hold.acquire()
        if self.failures:
            raise self.failures.pop(0)
        return await super().generate(request, job)

    async def problems(self) -> Sequence[str]:
        return [f"{model} is missing" for model in self.models]

    async def close(self) -> None:
        self.closed = True


def wanted(model: str) -> Generate:
    return Generate(model=model, sampler="Euler", prompt="a fox")


def between(*members: Member) -> Router:
    turns = Turns()
    return Router(
        [
            QueuedEngine(member, turns, name=str(number), model_of=lambda r: r.model)
            for number, member in enumerate(members)
        ]
    )


def ask(router: Router, *models: str) -> None:
    async def run() -> None:
        for model in models:
            await router.generate(wanted(model), Job(1))

    asyncio.run(run())


def test_it_offers_what_its_engines_do_in_their_order():
    router = between(Member("a", "b"), Member("B", "c"))
    assert router.catalogs() == {"models": ["a", "b", "c"]}
    assert router.serves(wanted("c"))
    assert not router.serves(wanted("d"))
    assert not router.serves(Upscale(image=b"-"))
    problems = asyncio.run(router.problems())
    assert problems == ["a is missing", "b is missing", "B is missing", "c is missing"]


def test_engines_settle_on_a_model_each():
    first, second = Member("a", "b"), Member("a", "b")
    ask(between(first, second), *"abbaab")
    assert (first.asked, second.asked) == (["a"] * 3, ["b"] * 3)


def during(*held: str) -> tuple[list[str], list[str]]:
    """What two engines were asked for that answer nothing."""
    first, second = Member("a", "b"), Member("a", "b")

    async def run() -> None:
        first.hold = second.hold = asyncio.Semaphore(0)
        router = between(first, second)
        tasks = [asyncio.ensure_future(router.generate(wanted(m), Job(1))) for m in held]
        await asyncio.sleep(0)
        for _ in tasks:
            first.hold.release()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    return first.asked, second.asked


def test_no_engine_is_idle_while_requests_wait_for_the_one_that_has_their_model():
    assert during(*"aa") == (["a"], ["a"])


def test_requests_wait_for_the_engine_that_has_their_model_while_a_load_takes_longer():
    first, second = during(*"ab", *"aaa", "a")
    assert (first, second) == (["a"] * 4, ["b", "a"])


def test_an_engine_whose_model_comes_back_is_not_idle():
    first, second = Member("a", "b"), Member("a", "b")

    async def run() -> None:
        router = between(first, second)
        for model in "abb":  # b comes back
            await router.generate(wanted(model), Job(1))
        first.hold = asyncio.Semaphore(0)
        tasks = [asyncio.ensure_future(router.generate(wanted("a"), Job(1))) for _ in range(2)]
        await asyncio.sleep(0)
        for _ in tasks:
            first.hold.release()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert (first.asked, second.asked) == (["a"] * 3, ["b"] * 2)


def test_on_a_server_two_programs_use_an_engine_each(tmp_path: Path):
    engine = '[[engine]]\nname = "{}"\nkind = "painted"\nmodels = 1\n'
    text = engine.format("one") + engine.format("two")
    names = bundled()["models"][:2]
    members = [Member(*names), Member(*names)]
    with served(tmp_path, text) as own, ThreadPoolExecutor(2) as pool:
        for queue, member in zip(own.server.engines.queues, members, strict=True):
            member.catalogs = bundled
            queue.engine = member

        def program(model: str) -> bool:
            return all([own.ask(Generate, model=model).ok for _ in range(4)])

        assert all(pool.map(program, names))
    assert sorted(len({*member.asked}) for member in members) == [1, 1]
    assert members[0].asked[0] != members[1].asked[0]


def test_a_request_is_repeated_once_where_nothing_was_made():
    first, second = Member("a"), Member("a")
    router = between(first, second)
    first.failures = [EngineUnavailable()]
    ask(router, "a", "a")
    assert (first.asked, second.asked) == (["a"], ["a", "a"])  # the first failed lately

    second.failures = [EngineUnavailable()]
    ask(router, "a")
    assert len(first.asked) == 2

    first.failures = second.failures = [EngineUnavailable()] * 2
    with pytest.raises(EngineUnavailable):
        ask(router, "a")
    assert len(first.asked) + len(second.asked) == 7


def test_the_only_engine_is_asked_once_more():
    only = Member("a")
    only.failures = [EngineUnavailable()]
    ask(between(only, Member("b")), "a")
    assert only.asked == ["a", "a"]
    only.failures = [EngineUnavailable()] * 3
    with pytest.raises(EngineUnavailable):
        ask(between(only), "a")
    assert len(only.failures) == 1


def test_a_busy_engine_passes_requests_on():
    first, second = Member("a"), Member("a")
    router = between(first, second)
    first.failures = [EngineBusy(9)]
    ask(router, "a")
    assert second.asked == ["a"]
    first.failures, second.failures = [EngineBusy(9)], [EngineBusy(3)]
    with pytest.raises(EngineBusy) as caught:
        ask(router, "a")
    assert caught.value.retry_after == 3


def test_a_generation_that_failed_is_not_repeated():
    first, second = Member("a"), Member("a")
    error: EngineError = GenerationFailed("It diverged.")
    first.failures = [error]
    with pytest.raises(GenerationFailed):
        ask(between(first, second), "a")
    assert second.asked == []


def test_it_closes_all():
    members = [Member("a"), Member("b")]
    asyncio.run(between(*members).close())
    assert all(member.closed for member in members)
