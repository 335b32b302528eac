"""Slows down whoever tries keys: after a few wrong ones, a peer is judged once in a while."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

FREE_TRIES = 10  # wrong keys that cost nothing: somebody mistypes, or an old key is in a script
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0  # seconds before the next key of this peer is judged
FORGIVEN = 300.0  # seconds without a wrong key
MOST_PEERS = 10_000


class KeyGuessing:
    """Counts wrong keys by peer. Peers that gave none wait for nothing."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, the last when

    async def wait(self, peer: str) -> None:
        """Waits until a key of `peer` may be judged.

        Whoever leaves earlier gains nothing: the pause is the peer's, not the request's.
        """
        while (seconds := self._pause(peer)) > 0:
            await asyncio.sleep(seconds)

    def was_wrong(self, peer: str) -> None:
        wrong, last = self._wrong.pop(peer, (0, 0.0))
        now = time.monotonic()
        self._wrong[peer] = (1 if now - last > FORGIVEN else wrong + 1, now)
        if len(self._wrong) > MOST_PEERS:
            self._wrong.popitem(last=False)

    def _pause(self, peer: str) -> float:
        wrong, last = self._wrong.get(peer, (0, 0.0))
        if wrong < FREE_TRIES:
            return 0.0
        pause = min(FIRST_PAUSE * 2 ** min(wrong - FREE_TRIES, 10), LONGEST_PAUSE)
        return last + pause - time.monotonic()
