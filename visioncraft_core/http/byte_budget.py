"""How many bytes the files of one answer may have."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..api.fields import OutputKind
from ..errors import UnsafeContent

# A picture has 64 MiB (4096 x 4096 of pure noise need 50), a film more. What was asked for decides,
# not what a file says it is: eight that began like a film came to 2.4 GB in memory (2026-11).
FILE_LIMITS: dict[OutputKind, int] = {
    "images": 64 * 2**20,
    "animation": 128 * 2**20,
    "video": 512 * 2**20,
    "text": 64 * 2**20,  # a picture in place of words
}
AT_FULL_SIZE = 4  # files of one answer that may be so large; five pictures of noise are 250 MiB
ANSWER_LIMIT = 2**30


class ByteBudget:
    """How many bytes the files of one answer may have, together and `each`. Safe to share between
    threads: what comes side by side is counted as it comes."""

    def __init__(self, output: OutputKind) -> None:
        self.each = FILE_LIMITS[output]
        self._most = self._left = min(AT_FULL_SIZE * self.each, ANSWER_LIMIT)
        self._lock = threading.Lock()

    def take(self, amount: int) -> None:
        """Counts `amount` bytes. Raises UnsafeContent where that is too much."""
        with self._lock:
            if amount > self._left:
                raise UnsafeContent(
                    f"The files of one answer come to more than {self._most // 2**20} MiB.",
                    "Ask for fewer or smaller ones.",
                    phase="download",
                )
            self._left -= amount

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """`take` for one file; where that does not come whole, nothing of it counts."""
        taken = 0

        def take(amount: int) -> None:
            nonlocal taken
            self.take(amount)
            taken += amount

        try:
            yield take
        except BaseException:  # whatever ended it
            with self._lock:
                self._left += taken
            raise
