"""Whether a server takes the seed of a request, which the specification does not know.

It is learned from a header of any earlier answer and remembered on the disk, so that it costs no
call of its own and strangers' servers never see the header. A server that is asked with the key of
the sandbox is one of ours.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from ..api.sandbox_keys import SANDBOX_FREE_KEY, SANDBOX_PREMIUM_KEY
from ..api.seeds import ACCEPT_HEADER, ACCEPTS_SEED, LARGEST_SEED, SEED_HEADER
from ..http.call import Response
from ..profiles.profile import Profile

_EQUAL_REQUESTS_APART = 2**32  # far from the seeds that a person tries one after the other


def seed_of(seed: int, earlier: int) -> int:
    """The seed to send, 0 to LARGEST_SEED, after `earlier` equal requests of the same batch."""
    return (seed + earlier * _EQUAL_REQUESTS_APART) % (LARGEST_SEED + 1)


class SeedSupport:
    """What is known of one server. Safe to share between threads; nothing here raises."""

    def __init__(self, home: Path, profile: Profile) -> None:
        digest = sha256(profile.base_url.encode()).hexdigest()[:16]
        self._mark = home / "catalogs" / f"{digest}.seeds"
        key = profile.key.reveal() if profile.key else ""
        self._is_ours = key in (SANDBOX_FREE_KEY, SANDBOX_PREMIUM_KEY)
        self._takes = self._is_ours or self._is_marked()

    def headers(self, seed: int | None) -> dict[str, str]:
        """The headers that carry `seed`; none where it would mean nothing to the server."""
        return {SEED_HEADER: str(seed)} if self._takes and seed is not None else {}

    def learn(self, response: Response) -> None:
        """Notes what an answer says. One that is no success may come from something in between."""
        takes = ACCEPTS_SEED in response.headers.get(ACCEPT_HEADER, "").replace(",", " ").split()
        if self._is_ours or takes == self._takes or not response.is_success:
            return
        self._takes = takes
        with suppress(OSError):  # then it is learned anew by the next program
            if takes:
                self._mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._mark.touch()
            else:
                self._mark.unlink(missing_ok=True)

    def _is_marked(self) -> bool:
        with suppress(OSError):
            return self._mark.exists()
        return False
