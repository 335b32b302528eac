"""Several engines as one: each request goes to the one that answers it soonest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...api.fields import Request
from ..engine import EngineBusy, EngineUnavailable, Job, Output
from ..queue import QueuedEngine

UNWELL = 30.0  # seconds for which an engine that failed is asked only if no other can


@dataclass
class _Member:
    engine: QueuedEngine
    failed: float = float("-inf")  # when it was unavailable, by time.monotonic


class Router:
    """Makes each result with one of `engines`, in the order of their configuration.

    Of those that serve a request it takes one that has not failed lately and has the least to do
    before it, a load of its model included. An engine that is unavailable has made nothing, so the
    request is repeated once: elsewhere, or there if no other serves it.
    """

    def __init__(self, engines: Sequence[QueuedEngine]) -> None:
        self._members = [_Member(engine) for engine in engines]

    def catalogs(self) -> Mapping[str, Sequence[str]]:
        merged: dict[str, dict[str, str]] = {}
        for member in self._members:
            for catalog, names in member.engine.catalogs().items():
                known = merged.setdefault(catalog, {})
                for name in names:
                    known.setdefault(name.lower(), name)
        return {catalog: list(known.values()) for catalog, known in merged.items()}

    def serves(self, request: Request) -> bool:
        return any(member.engine.serves(request) for member in self._members)

    async def generate(self, request: Request, job: Job) -> Output:
        busy: list[EngineBusy] = []
        unavailable: list[EngineUnavailable] = []
        candidates = self._candidates(request)
        while candidates and len(unavailable) < 2:
            member = candidates.pop(0)
            try:
                return await self._generate(member, request, job)
            except EngineBusy as error:
                busy.append(error)
            except EngineUnavailable as error:
                unavailable.append(error)
                if not candidates and not busy:
                    candidates = [member]
        if busy:
            raise min(busy, key=lambda error: error.retry_after)
        raise unavailable[-1] if unavailable else EngineUnavailable()

    async def problems(self) -> Sequence[str]:
        lists = await asyncio.gather(*(member.engine.problems() for member in self._members))
        return [problem for problems in lists for problem in problems]

    async def close(self) -> None:
        await asyncio.gather(*(member.engine.close() for member in self._members))

    def _candidates(self, request: Request) -> list[_Member]:
        now = time.monotonic()

        def preference(member: _Member) -> tuple[bool, float]:
            return now - member.failed < UNWELL, member.engine.work_before(request)

        return sorted((m for m in self._members if m.engine.serves(request)), key=preference)

    async def _generate(self, member: _Member, request: Request, job: Job) -> Output:
        try:
            output = await member.engine.generate(request, job)
        except EngineUnavailable:
            member.failed = time.monotonic()
            raise
        member.failed = float("-inf")
        return output
