"""Which of several engines makes a result."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from support.instant_engine import InstantEngine
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


class Member(InstantEngine):
    """Offers /generate with `models`, and raises what is put into `failures`, one each time."""

    def __init__(self, *models: str) -> None:
        self.models = models
        self.failures: list[Exception] = []
        self.asked: list[str] = []
        self.hold: asyncio.Event | None = None
        self.closed = False

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        return {"models": self.models}

    def serves(self, request: Request) -> bool:
        return isinstance(request, Generate) and request.model in self.models

    async def generate(self, request: Any, job: Job) -> Output:
        self.asked.append(request.model)
        if self.hold:
            await self.hold.wait()
        if self.failures:
            raise self.failures.pop(0)
        return await super().generate(request, job)

    async def problems(self) -> Sequence[str]:
        return [f"{model} is missing" for model in self.models]

    async def close(self) -> None:
        self.closed = True


def wanted(model: str) -> Generate:
    return Generate(model=model, sampler="Euler", prompt="a fox")


def ask(router: Router, *models: str) -> None:
    async def run() -> None:
        for model in models:
            await router.generate(wanted(model), Job(1))

    asyncio.run(run())


def test_it_offers_what_its_engines_do_in_their_order():
    router = Router([Member("a", "b"), Member("B", "c")])
    assert router.catalogs() == {"models": ["a", "b", "c"]}
    assert router.serves(wanted("c"))
    assert not router.serves(wanted("d"))
    assert not router.serves(Upscale(image=b"-"))
    problems = asyncio.run(router.problems())
    assert problems == ["a is missing", "b is missing", "B is missing", "c is missing"]


def test_the_first_engine_is_asked_unless_another_has_the_model_loaded():
    first, second = Member("a", "b"), Member("a", "b", "c")
    ask(Router([first, second]), "a", "c", "a", "b", "b")
    assert (first.asked, second.asked) == (["a", "a", "b", "b"], ["c"])
    first, second = Member("a", "b"), Member("a", "b")
    router = Router([first, second])

    async def run() -> None:
        first.hold = asyncio.Event()
        waiting = asyncio.ensure_future(router.generate(wanted("a"), Job(1)))
        await asyncio.sleep(0)
        await router.generate(wanted("b"), Job(1))  # the first has something to do
        first.hold.set()
        await waiting
        await router.generate(wanted("b"), Job(1))  # the second has it loaded

    asyncio.run(run())
    assert (first.asked, second.asked) == (["a"], ["b", "b"])


def test_a_request_is_repeated_once_where_nothing_was_made():
    first, second = Member("a"), Member("a")
    router = Router([first, second])
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
    ask(Router([only, Member("b")]), "a")
    assert only.asked == ["a", "a"]
    only.failures = [EngineUnavailable()] * 3
    with pytest.raises(EngineUnavailable):
        ask(Router([only]), "a")
    assert len(only.failures) == 1


def test_a_busy_engine_passes_requests_on():
    first, second = Member("a"), Member("a")
    router = Router([first, second])
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
        ask(Router([first, second]), "a")
    assert second.asked == []


def test_it_closes_all():
    members = [Member("a"), Member("b")]
    asyncio.run(Router(members).close())
    assert all(member.closed for member in members)
