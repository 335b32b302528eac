"""What a server takes beyond the specification: seeds, and questions about progress.

It is learned from a header of any earlier answer and remembered on the disk, so that it costs no
call of its own and strangers' servers never see anything of it. A server that is asked with the key
of the sandbox is one of ours, and the embedded one is of this version.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from ..api.extensions import (
    ACCEPT_HEADER,
    ACCEPTS_PROGRESS,
    ACCEPTS_SEED,
    LARGEST_SEED,
    SEED_HEADER,
)
from ..api.sandbox_keys import SANDBOX_FREE_KEY, SANDBOX_PREMIUM_KEY
from ..http.call import Response
from ..profiles.profile import Profile

_EQUAL_REQUESTS_APART = 2**32  # far from the seeds that a person tries one after the other
_MARKS = {ACCEPTS_SEED: "seeds", ACCEPTS_PROGRESS: "progress"}  # the ends of the files' names


def seed_of(seed: int, earlier: int) -> int:
    """The seed to send, 0 to LARGEST_SEED, after `earlier` equal requests of the same batch."""
    return (seed + earlier * _EQUAL_REQUESTS_APART) % (LARGEST_SEED + 1)


class ServerExtensions:
    """What is known of one server. Safe to share between threads; nothing here raises."""

    def __init__(self, home: Path, profile: Profile) -> None:
        digest = sha256(profile.base_url.encode()).hexdigest()[:16]
        self._marks = {name: home / "catalogs" / f"{digest}.{end}" for name, end in _MARKS.items()}
        key = profile.key.reveal() if profile.key else ""
        self._certain: frozenset[str] = frozenset()
        if profile.embedded:
            self._certain = frozenset(_MARKS)
        elif key in (SANDBOX_FREE_KEY, SANDBOX_PREMIUM_KEY):
            self._certain = frozenset((ACCEPTS_SEED,))
        marked = {name for name, mark in self._marks.items() if _exists(mark)}
        self._offered = self._certain | marked

    @property
    def tells_progress(self) -> bool:
        return ACCEPTS_PROGRESS in self._offered

    def seed_headers(self, seed: int | None) -> dict[str, str]:
        """The headers that carry `seed`; none where it would mean nothing to the server."""
        takes = ACCEPTS_SEED in self._offered and seed is not None
        return {SEED_HEADER: str(seed)} if takes else {}

    def learn(self, response: Response) -> None:
        """Notes what an answer says. One that is no success may come from something in between."""
        if not response.is_success:
            return
        said = response.headers.get(ACCEPT_HEADER, "").replace(",", " ").split()
        offered = self._certain.union(_MARKS.keys() & said)
        changed, self._offered = offered ^ self._offered, offered
        for name in changed - self._certain:
            with suppress(OSError):  # then it is learned anew by the next program
                mark = self._marks[name]
                if name in offered:
                    mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    mark.touch()
                else:
                    mark.unlink(missing_ok=True)


def _exists(mark: Path) -> bool:
    with suppress(OSError):
        return mark.exists()
    return False
