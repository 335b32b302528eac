"""Who waits for an engine and whose turn it is.

Each engine has a queue of its own. Owners take turns, however many requests each of them has
waiting, and none has more at work than it may, over all engines together, and over all servers that
share leases. Used on one event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..api.fields import Request
from .engine import Engine, EngineBusy, Job, Output

SHORTEST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds until a client should come again
STOPPING_WAIT = 15.0  # seconds in which a server is usually there again
PAUSE = 0.25  # seconds until an owner is asked about again who has enough at work elsewhere


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
    turn: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


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


class QueuedEngine:
    """An engine that works on `at_once` requests while at most `length` others wait.

    Where the queue is full, the newest request of whoever has most waiting gives way to one who has
    fewer; else `generate` raises EngineBusy. What waits costs the engine nothing.
    """

    def __init__(
        self, engine: Engine, turns: Turns, *, name: str, at_once: int = 1, length: int = 100
    ) -> None:
        self.engine = engine
        self.name = name
        self.at_once = at_once
        self.length = length
        self.at_work = 0
        self.waiting = 0
        self._turns = turns
        self._waiting: dict[str, dict[_Ticket, None]] = {}  # owners in the order of their turns
        self._seconds = 1.0  # that a request takes, about
        turns.join(self)

    @property
    def load(self) -> float:
        """Requests that are here, for each that it works on at a time."""
        return (self.at_work + self.waiting) / self.at_once

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
        lease = await self._turn(job)
        begun = time.monotonic()
        try:
            job.begun(self.name)
            made = await self.engine.generate(request, job)
            self._seconds += 0.2 * (time.monotonic() - begun - self._seconds)
            return made
        finally:
            if lease is not None and self._turns.leases:
                self._turns.leases.give_back(lease)
            self._release(job.owner)

    def admit(self) -> None:
        """Gives turns to those who wait while there is room."""
        while self.at_work < self.at_once and (ticket := self._next()):
            self._remove(ticket)
            if tickets := self._waiting.pop(ticket.owner, None):
                self._waiting[ticket.owner] = tickets  # after all others
            self.at_work += 1
            self._turns.at_work[ticket.owner] += 1
            ticket.turn.set_result(None)

    def send_away(self) -> None:
        for ticket in [each for tickets in self._waiting.values() for each in tickets]:
            self._remove(ticket)
            ticket.turn.set_exception(EngineBusy(STOPPING_WAIT))

    def _place(self, ticket: _Ticket) -> int:
        """How many requests are before it, if nobody else comes or leaves."""
        own = self._waiting.get(ticket.owner, {})
        if ticket not in own:
            return 0
        before = list(own).index(ticket)
        place, later = before, 0
        for owner, tickets in self._waiting.items():
            if owner == ticket.owner:
                later = 1
            else:
                place += min(len(tickets), before + 1 - later)
        return place

    async def _turn(self, job: Job) -> int | None:
        """Waits for it; gives the lease, None where none is needed."""
        if self._turns.stopping:
            raise EngineBusy(STOPPING_WAIT)
        if self.waiting >= self.length and (self.at_work >= self.at_once or self.waiting):
            self._make_room(job.owner)
        ticket = _Ticket(job.owner, job.at_once)
        self._waiting.setdefault(job.owner, {})[ticket] = None
        self.waiting += 1
        self.admit()
        await self._called(ticket, job)
        if not self._turns.leases or not job.at_once:
            return None
        while (lease := await self._lease(self._turns.leases, job)) is None:
            ticket = _Ticket(job.owner, job.at_once)
            self._waiting[job.owner] = {ticket: None, **self._waiting.get(job.owner, {})}
            self.waiting += 1
            self._release(job.owner, enough_elsewhere=True)
            await self._called(ticket, job)
        return lease

    async def _lease(self, leases: Leases, job: Job) -> int | None:
        try:
            return await leases.take(job.owner, job.at_once)
        except BaseException:  # cancelled, too: a turn that is not used is given back
            self._release(job.owner)
            raise

    async def _called(self, ticket: _Ticket, job: Job) -> None:
        if not ticket.turn.done():
            job.queued(lambda: self._place(ticket))
        if self._turns.stopping:
            self.send_away()
        try:
            await ticket.turn
        except asyncio.CancelledError:
            if ticket.turn.cancelled():
                self._remove(ticket)
            elif not ticket.turn.exception():  # its turn came in the same moment
                self._release(job.owner)
            raise

    def _next(self) -> _Ticket | None:
        for owner, tickets in self._waiting.items():
            ticket = next(iter(tickets))
            room = not ticket.at_once or self._turns.at_work[owner] < ticket.at_once
            if room and owner not in self._turns.paused:
                return ticket
        return None

    def _make_room(self, owner: str) -> None:
        most = max(self._waiting.values(), key=len, default={})
        if len(most) < len(self._waiting.get(owner, ())) + 2:
            raise self._busy()
        newest = next(reversed(most))
        self._remove(newest)
        newest.turn.set_exception(self._busy())

    def _remove(self, ticket: _Ticket) -> None:
        tickets = self._waiting.get(ticket.owner, {})
        if ticket in tickets:
            del tickets[ticket]
            self.waiting -= 1
            if not tickets:
                del self._waiting[ticket.owner]

    def _release(self, owner: str, *, enough_elsewhere: bool = False) -> None:
        self.at_work -= 1
        self._turns.released(owner, enough_elsewhere=enough_elsewhere)

    def _busy(self) -> EngineBusy:
        seconds = self._seconds * (self.waiting + 1) / self.at_once
        return EngineBusy(min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT))
