"""Who waits for an engine, whose turn it is, and what those cost who leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.instant_engine import InstantEngine
from visioncraft.visioncraft_core.api.endpoints import Chat
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.service.engine import EngineBusy, Job, Output
from visioncraft.visioncraft_core.service.queue import QueuedEngine, Turns

SAY = Chat(model="openchat-7b", messages=({"role": "user", "content": "a fox"},))


class Steps(InstantEngine):
    """Begins when it is asked and ends when it is told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.cancelled: list[str] = []
        self.end = asyncio.Semaphore(0)

    async def generate(self, request: Request, job: Job) -> Output:
        self.begun.append(job.owner)
        try:
            await self.end.acquire()
        except asyncio.CancelledError:
            self.cancelled.append(job.owner)
            raise
        return Output(text=job.owner)


class Scene:
    """An engine behind a queue, and those who ask it."""

    def __init__(self, at_once: int = 1, length: int = 100) -> None:
        self.engine, self.turns = Steps(), Turns()
        self.queue = QueuedEngine(
            self.engine, self.turns, name="steps", at_once=at_once, length=length
        )

    async def ask(self, owner: str, at_once: int = 0, **job: Any) -> asyncio.Task[Output]:
        asked = Job(1, owner=owner, at_once=at_once, **job)
        task = asyncio.ensure_future(self.queue.generate(SAY, asked))
        await self.settle()
        return task

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def finish(self, count: int) -> None:
        for _ in range(count):
            self.engine.end.release()
            await self.settle()


def run(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scene())  # type: ignore[arg-type]


def test_owners_take_turns_however_many_requests_one_of_them_has():
    async def scene() -> None:
        s = Scene()
        tasks = [await s.ask(owner) for owner in "aaaabbc"]
        await s.finish(7)
        assert "".join(s.engine.begun) == "aabcaba"
        assert {task.result().text for task in tasks} == set("abc")

    run(scene)


def test_an_owner_has_no_more_at_work_than_it_may_over_all_engines():
    async def scene() -> None:
        s = Scene(at_once=4)
        other = QueuedEngine(Steps(), s.turns, name="other", at_once=4)
        for _ in range(3):
            await s.ask("a", at_once=2)
        elsewhere = asyncio.ensure_future(other.generate(SAY, Job(1, owner="a", at_once=2)))
        await s.ask("b", at_once=2)
        assert s.engine.begun == ["a", "a", "b"]
        assert (other.at_work, other.waiting) == (0, 1)
        await s.finish(2)  # its work ends here and the next begins
        await s.finish(2)
        assert s.engine.begun.count("a") == 3
        assert other.at_work == 1
        elsewhere.cancel()

    run(scene)


def test_who_leaves_the_queue_costs_nothing_and_who_leaves_the_engine_stops_it():
    async def scene() -> None:
        s = Scene()
        first, second, third = [await s.ask(owner) for owner in "abc"]
        second.cancel()
        await s.settle()
        assert s.queue.waiting == 1
        first.cancel()
        await s.settle()
        assert s.engine.begun == ["a", "c"]
        assert s.engine.cancelled == ["a"]
        await s.finish(1)
        assert third.done()
        assert (s.queue.at_work, s.queue.waiting, dict(s.turns.at_work)) == (0, 0, {})

    run(scene)


def test_who_leaves_in_the_moment_of_its_turn_passes_it_on():
    async def scene() -> None:
        s = Scene()
        first, second, third = [await s.ask(owner) for owner in "abc"]
        s.engine.end.release()
        first.add_done_callback(lambda _: second.cancel())
        await s.settle()
        await s.settle()
        assert s.engine.begun[-1] == "c"
        await s.finish(1)
        assert third.done()
        assert (s.queue.at_work, dict(s.turns.at_work)) == (0, {})

    run(scene)


def test_a_full_queue_refuses_with_a_time_to_come_again():
    async def scene() -> None:
        s = Scene(length=2)
        for owner in "abc":
            await s.ask(owner)
        refused = await s.ask("d")
        error: Any = refused.exception()
        assert isinstance(error, EngineBusy)
        assert 1 <= error.retry_after <= 60

    run(scene)


def test_in_a_full_queue_the_newest_of_who_has_most_gives_way():
    async def scene() -> None:
        s = Scene(length=3)
        greedy = [await s.ask("a") for _ in range(4)]
        other = await s.ask("b")
        assert isinstance(greedy[-1].exception(), EngineBusy)
        assert not other.done()
        assert isinstance((await s.ask("a")).exception(), EngineBusy)
        assert s.queue.waiting == 3

    run(scene)


def test_a_queue_of_length_0_lets_nobody_wait():
    async def scene() -> None:
        s = Scene(length=0)
        assert not (await s.ask("a")).done()
        assert isinstance((await s.ask("b")).exception(), EngineBusy)

    run(scene)


def test_the_place_in_the_queue_counts_those_whose_turn_is_earlier():
    async def scene() -> None:
        s = Scene()
        places: list[Callable[[], int]] = []
        begun: list[str] = []
        tasks = [await s.ask(owner, queued=places.append, begun=begun.append) for owner in "aaabbb"]
        assert begun == ["steps"]
        told = [place() for place in places]
        for _ in tasks:  # those who wait are begun in the order of their places
            await s.finish(1)
        assert [s.engine.begun[1:][place] for place in told] == list("aabbb")
        assert sorted(told) == [0, 1, 2, 3, 4]
        assert [place() for place in places] == [0] * 5

    run(scene)


def test_a_server_that_stops_sends_away_who_waits_and_who_comes():
    async def scene() -> None:
        s = Scene()
        first, waiting = await s.ask("a"), await s.ask("b")
        s.turns.stop()
        late = await s.ask("c")
        assert isinstance(waiting.exception(), EngineBusy)
        assert isinstance(late.exception(), EngineBusy)
        await s.finish(1)
        assert first.result().text == "a"

    run(scene)


@pytest.mark.parametrize("at_once", [1, 3])
def test_more_room_lets_more_begin(at_once: int):
    async def scene() -> None:
        s = Scene()
        for owner in "abc":
            await s.ask(owner)
        s.queue.at_once = at_once
        s.queue.admit()
        await s.settle()
        assert len(s.engine.begun) == at_once

    run(scene)
