"""Who waits for an engine and whose turn it is.

Each engine has a queue of its own. Owners take turns, however many requests each of them has
waiting, and none has more at work than it may, over all engines together, and over all servers that
share leases. Used on one event loop.

Where an engine loads models, a request whose model is loaded may go before the one whose turn it
is: so many as PASSED says, and for so long as PASSED_SECONDS. An owner who got a turn early misses
a later one, so all have as many turns as without. See instances for what is loaded.

Of several engines that load models each request comes to the one with the least `work_before` it,
where a load counts as LOAD requests, or as less than one if nobody needs what goes for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest
from typing import Protocol

from ..api.fields import Request
from .engine import Engine, EngineBusy, EngineUnavailable, Job, Output
from .instances import Instance, Instances, having

SHORTEST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds until a client should come again
STOPPING_WAIT = 15.0  # seconds in which a server is usually there again
PAUSE = 0.25  # seconds until an owner is asked about again who has enough at work elsewhere
# How many go before a request whose turn it is, and how many turns an owner has early, for each
# instance of an engine. Two owners with a model each then have about nine turns one after the
# other: a load as long as two pictures costs a fifth of the time instead of two thirds.
PASSED, AHEAD = 8, 4
PASSED_SECONDS = 60.0  # where requests take minutes, a load matters little
LOAD = 2.0  # requests that an engine makes in the time of a load, about
SEARCHED = 256  # requests, the next by turn, among which one is looked for whose model is loaded


class Leases(Protocol):
    """Counts what each owner has at work, over all servers that share them."""

    async def take(self, owner: str, most: int) -> int | None:
        """A number for one request more, None where `most` are at work. May raise."""
        ...

    def give_back(self, lease: int) -> None:
        """The request is no longer at work, soon."""
        ...


@dataclass(eq=False)
class _Ticket:
    owner: str
    at_once: int
    model: str  # that it needs loaded, "" for none
    passed: int = 0  # others that went before it though it was its turn
    passed_since: float = 0.0  # when the first of them did, by time.monotonic
    before: dict[str, None] = field(default_factory=dict)  # what was loaded where its turn came
    turn: asyncio.Future[Instance] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


@dataclass(eq=False)
class _Line:
    """What one owner has waiting."""

    tickets: dict[_Ticket, None] = field(default_factory=dict)
    ahead: int = 0  # turns that it had early; it misses as many


class Turns:
    """What the queues of one service have in common: how much each owner has at work."""

    def __init__(self, leases: Leases | None = None) -> None:
        self.at_work: Counter[str] = Counter()
        self.paused: set[str] = set()  # owners who have enough at work elsewhere
        self.leases = leases
        self.stopping = False
        self._queues: list[QueuedEngine] = []

    def join(self, queue: QueuedEngine) -> None:
        self._queues.append(queue)

    def leave(self, queue: QueuedEngine) -> None:
        self._queues.remove(queue)

    def released(self, owner: str, *, enough_elsewhere: bool = False) -> None:
        self.at_work[owner] -= 1
        self.at_work += Counter()  # without those who have nothing at work
        if enough_elsewhere:
            self.paused.add(owner)
            asyncio.get_running_loop().call_later(PAUSE, self._go_on, owner)
        else:
            self.paused.discard(owner)
        self._admit()

    def stop(self) -> None:
        """Those who wait, and those who come, get EngineBusy."""
        self.stopping = True
        for queue in self._queues:
            queue.send_away()

    def _go_on(self, owner: str) -> None:
        self.paused.discard(owner)
        self._admit()

    def _admit(self) -> None:
        for queue in self._queues:
            queue.admit()


def no_model(_request: Request) -> str:
    return ""


class QueuedEngine:
    """An engine that works on `at_once` requests while at most `length` others wait.

    Where the queue is full, the newest request of whoever has most waiting gives way to one who has
    fewer; else `generate` raises EngineBusy. What waits costs the engine nothing.

    `model_of` tells which model a request needs loaded, "" where none. The engine has as many
    `instances`, each of which keeps the `models` that it used last, or what it tells by `Job`.
    """

    def __init__(
        self,
        engine: Engine,
        turns: Turns,
        *,
        name: str,
        at_once: int = 1,
        length: int = 100,
        model_of: Callable[[Request], str] = no_model,
        models: int = 1,
        instances: int = 1,
    ) -> None:
        self.engine = engine
        self.name = name
        self.at_once = at_once
        self.length = length
        self.passed_seconds = PASSED_SECONDS
        self.instances = Instances(instances, models)
        self.at_work = 0
        self.waiting = 0
        self._turns = turns
        self._lines: dict[str, _Line] = {}  # owners in the order of their turns
        self._model_of = model_of
        self._later: asyncio.TimerHandle | None = None
        self._seconds = 1.0  # that a request takes, about
        turns.join(self)

    @property
    def load(self) -> float:
        """Requests that are here, for each that it works on at a time."""
        return (self.at_work + self.waiting) / self.at_once

    def work_before(self, request: Request) -> float:
        """`load`, and more if a model has to be loaded for the request.

        It is less than one while there is a place that nobody needs, so that no engine is idle
        while requests wait for another one.
        """
        model = self._model_of(request)
        waiting = (ticket for line in self._lines.values() for ticket in line.tickets)
        if (
            not model
            or having(model, self.instances)
            or any(ticket.model == model for ticket in waiting)
        ):
            return self.load
        free = self.instances.unneeded(self.instances.free(self.at_once))
        if self.waiting or not free:
            return self.load + LOAD
        has_room = any(not place.next_out(self.instances.models) for place in free)
        return self.load + (0.25 if has_room else 0.5) / self.at_once

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        return self.engine.catalogs()

    def serves(self, request: Request) -> bool:
        return self.engine.serves(request)

    async def problems(self) -> Sequence[str]:
        return await self.engine.problems()

    async def close(self) -> None:
        self._turns.leave(self)
        await self.engine.close()

    async def generate(self, request: Request, job: Job) -> Output:
        model = self._model_of(request)
        self.instances.asked(model)
        lease, instance = await self._turn(job, model)
        begun = time.monotonic()

        def loaded(models: Sequence[str]) -> None:
            self.instances.tell(instance, models)

        try:
            job.begun(self.name)
            made = await self.engine.generate(request, replace(job, loaded=loaded))
            self._seconds += 0.2 * (time.monotonic() - begun - self._seconds)
            self.instances.ended(model)
            return made
        except EngineUnavailable:
            instance.loaded.clear()  # it may have started anew
            raise
        finally:
            if lease is not None and self._turns.leases:
                self._turns.leases.give_back(lease)
            self._release(job.owner, instance)

    def admit(self) -> None:
        """Gives turns to those who wait while there is room."""
        while self.at_work < self.at_once and (first := self._first()):
            if not (choice := self._choice(first)):
                return
            ticket, instance = choice
            if ticket.turn.cancelled():  # whoever asked leaves in this moment
                self._remove(ticket)
                continue
            if ticket is not first:
                first.passed += 1
                first.passed_since = first.passed_since or time.monotonic()
            if ticket.owner == first.owner:
                self._end_turn(ticket.owner)
            else:
                self._lines[ticket.owner].ahead += 1
            self._remove(ticket)
            self.at_work += 1
            self._turns.at_work[ticket.owner] += 1
            instance.at_work += 1
            ticket.before = dict(instance.loaded)
            instance.use(ticket.model, self.instances.models)
            ticket.turn.set_result(instance)

    def send_away(self) -> None:
        for ticket in [each for line in self._lines.values() for each in line.tickets]:
            self._refuse(ticket, EngineBusy(STOPPING_WAIT))

    def _place(self, ticket: _Ticket) -> int:
        """How many requests are before it, if nobody else comes or leaves, or goes before it."""
        own = self._lines.get(ticket.owner)
        if not own or ticket not in own.tickets:
            return 0
        before = list(own.tickets).index(ticket)
        place, later = before, 0
        for owner, line in self._lines.items():
            if owner == ticket.owner:
                later = 1
            else:
                turns = own.ahead + before + 1 - later - line.ahead
                place += min(len(line.tickets), max(turns, 0))
        return place

    async def _turn(self, job: Job, model: str) -> tuple[int | None, Instance]:
        """Waits for it; gives the lease, None where none is needed, and the instance."""
        if self._turns.stopping:
            raise EngineBusy(STOPPING_WAIT)
        ticket = _Ticket(job.owner, job.at_once, model)
        self._lines.setdefault(job.owner, _Line()).tickets[ticket] = None
        self.waiting += 1
        self.admit()
        places = self.length or int(self.at_work < self.at_once)  # one may wait for who comes back
        if self.waiting > places and not ticket.turn.done():
            self._make_room(ticket)
        instance = await self._called(ticket, job)
        if not self._turns.leases or not job.at_once:
            return None, instance
        while (lease := await self._lease(self._turns.leases, ticket, instance)) is None:
            unused = ticket
            ticket = _Ticket(job.owner, job.at_once, model)
            line = self._lines.setdefault(job.owner, _Line())
            line.tickets = {ticket: None, **line.tickets}
            self.waiting += 1
            self._give_back(unused, instance, enough_elsewhere=True)
            instance = await self._called(ticket, job)
        return lease, instance

    async def _lease(self, leases: Leases, ticket: _Ticket, instance: Instance) -> int | None:
        try:
            return await leases.take(ticket.owner, ticket.at_once)
        except BaseException:  # cancelled, too
            self._give_back(ticket, instance)
            raise

    async def _called(self, ticket: _Ticket, job: Job) -> Instance:
        if not ticket.turn.done():
            job.queued(lambda: self._place(ticket))
        if self._turns.stopping:
            self.send_away()
        try:
            return await ticket.turn
        except asyncio.CancelledError:
            if ticket.turn.cancelled():
                self._remove(ticket)
            elif not ticket.turn.exception():  # its turn came in the same moment
                self._give_back(ticket, ticket.turn.result())
            raise

    def _first(self) -> _Ticket | None:
        """The one whose turn it is."""
        while found := next((n for n in self._lines.items() if n[1].ahead or self._may(*n)), None):
            owner, line = found
            if not line.ahead:
                return next(iter(line.tickets))
            line.ahead -= 1  # it had this turn early
            self._end_turn(owner)
        return None

    def _may(self, owner: str, line: _Line) -> bool:
        """Whether the owner has something waiting and may have more at work."""
        if not line.tickets or owner in self._turns.paused:
            return False
        at_once = next(iter(line.tickets)).at_once
        return not at_once or self._turns.at_work[owner] < at_once

    def _choice(self, first: _Ticket) -> tuple[_Ticket, Instance] | None:
        """The ticket that goes now, and where; None while it is better to wait for another one.

        It is the next by turn whose model is loaded where there is room, else the next whose model
        is loaded nowhere, which would be loaded twice otherwise.
        """
        free = self.instances.free(self.at_once)
        if found := having(first.model, free):
            return first, found
        now = time.monotonic()
        if first.passed >= PASSED * len(self.instances) or (
            first.passed and now - first.passed_since > self.passed_seconds
        ):
            return first, free[0]
        next_by_turn = list(islice(self._by_turn(first.owner), SEARCHED))
        for ticket in next_by_turn:
            if ticket.model and (found := having(ticket.model, free)):
                return ticket, found
        if not (unneeded := self.instances.unneeded(free)):
            self._look_again(free)
            return None
        loaded = self.instances.loaded()
        ticket = next((t for t in next_by_turn if t.model and t.model not in loaded), first)
        return ticket, unneeded[0]

    def _look_again(self, free: Sequence[Instance]) -> None:
        """When the first of them need not keep what it has any more."""
        if self._later:
            self._later.cancel()
        wait = min(map(self.instances.needed_until, free)) - time.monotonic()
        self._later = asyncio.get_running_loop().call_later(wait, self.admit)

    def _by_turn(self, first: str) -> Iterator[_Ticket]:
        """Those who may go now, in the order of their turns if none goes early."""
        most = AHEAD * len(self.instances)
        tickets = (
            line.tickets
            for owner, line in self._lines.items()
            if self._may(owner, line) and (owner == first or line.ahead < most)
        )
        for turns in zip_longest(*islice(tickets, SEARCHED)):
            yield from filter(None, turns)

    def _end_turn(self, owner: str) -> None:
        """The next turn of the owner comes after those of all others."""
        line = self._lines.pop(owner)
        if line.tickets or line.ahead:
            self._lines[owner] = line

    def _make_room(self, ticket: _Ticket) -> None:
        most = max((line.tickets for line in self._lines.values()), key=len)
        own = self._lines[ticket.owner].tickets
        newest = next(reversed(most)) if len(most) > len(own) else ticket
        self._refuse(newest, self._busy())

    def _refuse(self, ticket: _Ticket, error: EngineBusy) -> None:
        self._remove(ticket)
        if not ticket.turn.cancelled():
            ticket.turn.set_exception(error)

    def _remove(self, ticket: _Ticket) -> None:
        line = self._lines.get(ticket.owner)
        if line and ticket in line.tickets:
            del line.tickets[ticket]
            self.waiting -= 1
            if not line.tickets and not line.ahead:
                del self._lines[ticket.owner]
            if not self.waiting:
                self._lines.clear()  # there is nobody whose turn was missed

    def _give_back(self, ticket: _Ticket, instance: Instance, **more: bool) -> None:
        """Releases a turn that was not used, for which nothing was loaded."""
        instance.loaded = ticket.before
        self._release(ticket.owner, instance, **more)

    def _release(self, owner: str, instance: Instance, *, enough_elsewhere: bool = False) -> None:
        self.at_work -= 1
        self.instances.release(instance)
        self._turns.released(owner, enough_elsewhere=enough_elsewhere)

    def _busy(self) -> EngineBusy:
        seconds = self._seconds * self.waiting / self.at_once
        return EngineBusy(min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT))
