"""Who waits for an engine, whose turn it is, and what those cost who leave."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.instant_engine import Gate, InstantEngine
from support.own_servers import PAINTED, served
from support.timing import LONG, eventually
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.api.endpoints import Chat, Generate
from visioncraft.visioncraft_core.api.fields import Request
from visioncraft.visioncraft_core.service.engine import EngineBusy, EngineUnavailable, Job, Output
from visioncraft.visioncraft_core.service.queue import AHEAD, PASSED, QueuedEngine, Turns


def chat(model: str) -> Chat:
    return Chat(model=model, messages=({"role": "user", "content": "a fox"},))


SAY = chat("openchat-7b")


class Steps(InstantEngine):
    """Begins when it is asked and ends when it is told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.models: list[str] = []  # of those that are begun
        self.cancelled: list[str] = []
        self.end = asyncio.Semaphore(0)
        self.tells: Sequence[str] = ()  # what it has loaded
        self.failure: EngineUnavailable | None = None

    async def generate(self, request: Request, job: Job) -> Output:
        self.begun.append(job.owner)
        self.models.append(getattr(request, "model", ""))
        try:
            await self.end.acquire()
            if self.tells:
                job.loaded(self.tells)
            if self.failure:
                raise self.failure
        except asyncio.CancelledError:
            self.cancelled.append(job.owner)
            raise
        return Output(text=job.owner)


class Scene:
    """An engine behind a queue, and those who ask it."""

    def __init__(self, at_once: int = 1, length: int = 100, **loading: Any) -> None:
        self.engine, self.turns = Steps(), Turns()
        self.queue = QueuedEngine(
            self.engine, self.turns, name="steps", at_once=at_once, length=length, **loading
        )

    async def ask(
        self, owner: str, at_once: int = 0, model: str = SAY.model, **job: Any
    ) -> asyncio.Task[Output]:
        asked = Job(1, owner=owner, at_once=at_once, **job)
        task = asyncio.ensure_future(self.queue.generate(chat(model), asked))
        await self.settle()
        return task

    async def ask_all(self, *asked: str) -> list[asyncio.Task[Output]]:
        """One request for each, an owner and a model: "aX"."""
        return [await self.ask(owner, model=model) for owner, model in asked]

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


def test_who_can_begin_at_once_needs_no_place_in_a_full_queue():
    async def scene() -> None:
        s = Scene(at_once=2, length=1)
        _, limited = [await s.ask("a", at_once=1) for _ in range(2)]
        await s.ask("b", at_once=1)
        assert s.engine.begun == ["a", "b"]
        assert not limited.done()

    run(scene)


def test_an_owner_may_have_no_name():
    async def scene() -> None:
        s = Scene()
        tasks = [await s.ask("") for _ in range(2)]
        await s.finish(2)
        assert all(task.done() for task in tasks)

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


# Engines that load models.


def model_of(request: Request) -> str:
    return getattr(request, "model", "").replace("-", "")  # "-" needs none


def loading(**more: Any) -> Scene:
    """An engine that loads what a request names and keeps the last one."""
    return Scene(model_of=model_of, **more)


def loads(models: Sequence[str]) -> int:
    """How often an instance that keeps one model has to load."""
    return len([*groupby(models)])


def test_two_owners_with_a_model_each_seldom_change_it_and_have_as_many_turns():
    async def scene() -> None:
        s = loading()
        tasks = await s.ask_all(*["aX", "bY"] * 40)
        await s.finish(40)
        assert loads(s.engine.models[:40]) <= 6
        assert abs(s.engine.begun[:40].count("a") - 20) <= AHEAD + 1
        await s.finish(40)
        assert all(task.done() for task in tasks)
        assert max(len([*same]) for _, same in groupby(s.engine.begun[:60])) <= PASSED + 2

    run(scene)


def test_an_owner_who_shares_its_model_has_no_fewer_turns_than_one_who_does_not():
    async def scene() -> None:
        s = loading(length=1000)
        await s.ask_all(*["aX", "bX", "cX", "dY"] * 40)
        await s.finish(100)
        shares = Counter(s.engine.begun)
        assert max(shares.values()) - min(shares.values()) <= 2 * AHEAD + 2
        assert loads(s.engine.models) <= 12

    run(scene)


def test_one_that_is_passed_over_comes_at_its_bound():
    async def scene() -> None:
        s = loading()
        await s.ask_all("aX", "aY", *["aX"] * 20)
        await s.finish(20)
        assert s.engine.models.index("Y") == 1 + PASSED

    run(scene)


def test_one_that_is_passed_over_comes_when_it_has_waited_long_enough():
    async def scene() -> None:
        s = loading()
        s.queue.passed_seconds = -1.0
        await s.ask_all("aX", "aY", *["aX"] * 20)
        await s.finish(5)
        assert s.engine.models[:4] == ["X", "X", "Y", "X"]

    run(scene)


@pytest.mark.parametrize("seconds", [LONG, 0.0])
def test_a_model_stays_for_a_program_that_asks_again_and_again(seconds: float):
    async def scene() -> None:
        s = loading()
        s.queue.instances.comes_back = seconds
        for _ in range(2):  # it comes back
            await s.ask("a", model="X")
            await s.finish(1)
        await s.ask_all("aX", "bY")
        await s.finish(1)
        assert s.engine.begun[3:] == ([] if seconds else ["b"])
        await s.ask("a", model="X")
        await s.finish(1)
        assert s.engine.begun[3] == ("a" if seconds else "b")

    run(scene)


@pytest.mark.parametrize("length", [0, 1])
def test_a_full_queue_lets_in_for_whom_a_model_stays(length: int):
    async def scene() -> None:
        s = loading(length=length)
        s.queue.instances.comes_back = LONG
        for _ in range(3):
            await s.ask("a", model="X")
            await s.finish(1)
        other, again = await s.ask_all("bY", "aX")
        assert s.engine.begun[3:] == ["a"]
        assert not again.done()
        assert not other.done()

    run(scene)


def test_a_model_does_not_stay_for_longer_than_a_program_takes():
    async def scene() -> None:
        s = loading()
        s.queue.instances.comes_back = 0.05
        await s.ask("a", model="X")
        await s.finish(1)
        again, waiting = await s.ask_all("aX", "bY")
        await s.finish(2)
        await asyncio.wait_for(asyncio.gather(again, waiting), LONG)  # though a does not come back

    run(scene)


def test_each_instance_gets_what_it_has_loaded():
    async def scene() -> None:
        s = loading(at_once=2, instances=2)
        await s.ask_all("aX", "aY", *["aZ", "aX", "aY"] * 2)
        await s.finish(1)  # of X
        assert s.engine.models[2:] == ["X"]
        await s.finish(1)
        assert s.engine.models[3:] == ["Y"]

    run(scene)


def test_what_no_instance_has_is_loaded_before_what_another_one_has():
    async def scene() -> None:
        s = loading(at_once=2, instances=2)
        await s.ask_all("aX", "aY", "aY", "aZ")
        await s.finish(1)
        assert s.engine.models[2:] == ["Z"]

    run(scene)


def test_an_engine_that_tells_what_it_has_loaded_is_believed():
    async def scene() -> None:
        s = loading()
        s.engine.tells = ("X", "Y")
        await s.ask_all("aX", "bZ", "cY", "dX")
        await s.finish(3)
        assert s.engine.begun == ["a", "c", "d", "b"]

    run(scene)


class Elsewhere:
    """Leases of which b has as many as it may on another server."""

    async def take(self, owner: str, most: int) -> int | None:
        return None if owner == "b" else 1

    def give_back(self, lease: int) -> None:
        pass


def test_a_turn_that_is_not_used_loads_nothing():
    async def scene() -> None:
        s = loading()
        s.turns.leases = Elsewhere()
        for owner, model in ("aX", "bY"):
            await s.ask(owner, at_once=1, model=model)
        await s.finish(1)  # now it is b's turn
        assert s.queue.waiting == 1
        for owner, model in ("d-", "cY", "aX"):
            await s.ask(owner, at_once=1, model=model)
        await s.finish(1)
        assert s.engine.begun == ["a", "d", "a"]

    run(scene)


def test_an_engine_that_was_away_may_have_lost_what_it_had():
    async def scene() -> None:
        s = loading()
        s.engine.failure = EngineUnavailable()
        task = await s.ask("a", model="X")
        assert s.queue.work_before(chat("X")) == 1
        await s.finish(1)
        assert isinstance(task.exception(), EngineUnavailable)
        assert s.queue.work_before(chat("X")) > 0

    run(scene)


def test_a_request_without_a_model_is_not_in_the_way():
    async def scene() -> None:
        s = loading()
        await s.ask_all("aX", "b-", "cY", "aX")
        await s.finish(2)
        assert s.engine.begun[:3] == ["a", "b", "a"]

    run(scene)


def test_who_leaves_before_its_early_turn_is_passed_over():
    async def scene() -> None:
        s = loading()
        _, other, preferred = await s.ask_all("aX", "bY", "aX")
        preferred.cancel()
        await s.settle()
        await s.finish(2)
        assert other.done()
        assert s.engine.begun == ["a", "b"]

    run(scene)


def test_all_who_leave_in_the_same_moment_give_back_their_turns():
    async def scene() -> None:
        s = Scene(length=2)
        tasks = await s.ask_all("aX", "bX", "cX")
        for task in tasks[:2]:
            task.cancel()
        await s.settle()
        assert s.engine.begun == ["a", "c"]
        await s.finish(1)
        assert tasks[2].done()
        waiting = await s.ask_all("aX", "bX", "cX")
        waiting[2].cancel()
        s.turns.stop()
        await s.finish(1)
        assert isinstance(waiting[1].exception(), EngineBusy)
        assert (s.queue.at_work, s.queue.waiting, dict(s.turns.at_work)) == (0, 0, {})

    run(scene)


ASKED = st.tuples(st.sampled_from("abc"), st.sampled_from("XYZ"))
DONE = st.tuples(st.sampled_from(["ends", "leaves"]), st.integers(0, 9))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.one_of(ASKED, ASKED, DONE), max_size=60),
    st.integers(1, 3),
    st.integers(1, 2),
)
def test_whatever_happens_all_are_served_and_none_waits_for_ever(
    actions: list[tuple[str, Any]], instances: int, models: int
):
    async def scene() -> None:
        s = loading(at_once=instances, instances=instances, models=models)
        s.queue.instances.comes_back = 0.0
        tasks: list[asyncio.Task[Output]] = []
        for what, which in actions:
            if what == "leaves" and which < len(tasks):
                tasks[which].cancel()
                await s.settle()
            elif what == "ends" and s.queue.at_work:
                await s.finish(1)
            elif what in "abc":
                tasks.append(await s.ask(what, at_once=2, model=which))
            assert s.queue.at_work <= instances
            assert all(count <= 2 for count in s.turns.at_work.values())
            assert (
                s.queue.at_work == instances
                or not s.queue.waiting
                or max(s.turns.at_work.values()) == 2
            )
        before, waiting = len(s.engine.begun), s.queue.waiting
        late = await s.ask("d", model="W")
        for _ in range((waiting + 1) * (PASSED * instances + 1)):
            if "d" in s.engine.begun:
                break
            await s.ask_all("aX", "bY")
            await s.finish(1)
        assert "d" in s.engine.begun[before:]
        while s.queue.at_work:
            await s.finish(1)
        assert late.done()
        assert all(task.done() for task in tasks)
        assert (s.queue.waiting, dict(s.turns.at_work)) == (0, {})

    run(scene)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(ASKED, st.just(("ends", "")))))
def test_where_nothing_is_loaded_owners_take_turns_exactly(actions: list[tuple[str, str]]):
    async def scene() -> None:
        s, expected, waiting = Scene(), list[str](), dict[str, int]()
        for what, model in actions:
            if what == "ends":
                await s.finish(s.queue.at_work)
            else:
                await s.ask(what, model=model)
                waiting[what] = waiting.get(what, 0) + 1
            if waiting and len(s.engine.begun) > len(expected):
                owner, count = next(iter(waiting.items()))
                expected.append(owner)
                del waiting[owner]
                if count > 1:
                    waiting[owner] = count - 1  # after all others
        assert s.engine.begun == expected

    run(scene)


def test_a_server_gives_the_turn_to_whose_model_is_loaded(tmp_path: Path):
    gate, (first, second) = Gate(), bundled()["models"][:2]
    text = PAINTED + "models = 1\n"
    with served(tmp_path, text, engine=gate) as own, ThreadPoolExecutor(3) as pool:
        berta, queue = own.server.database.add_key("berta"), own.server.engines.queues[0]
        answers = []
        for key, model in ((own.key, first), (berta, second), (own.key, first)):
            answers.append(pool.submit(own.ask, Generate, key, model=model))
            assert eventually(lambda: queue.at_work + queue.waiting == len(answers))
        assert eventually(lambda: gate.open() or all(each.done() for each in answers))
        assert all(each.result().ok for each in answers)
    assert [job.owner for job in gate.begun] == ["anna", "anna", "berta"]
