"""Who may ask: accounts with their keys and limits, and the chats that belong to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..api.sandbox_keys import SANDBOX_FREE_KEY, SANDBOX_PREMIUM_KEY

Turn = Mapping[str, str]  # a message of a chat: "role" and "content"

MINUTE, DAY = 60, 86_400
MOST_TURNS = 100  # of one chat, the latest
MOST_CHATS, MOST_CHAT_CHARACTERS = 1000, 2**20  # in memory; those not used longest go first

# How a use ended: with an HTTP status, or because its client left while it was worked on.
DONE, LEFT = 200, 499


@dataclass(frozen=True)
class Account:
    """Whose key it is, and what it may use. A limit of 0 is none."""

    name: str
    premium: bool = False
    per_minute: int = 0
    per_day: int = 0
    at_once: int = 0  # requests that are worked on at the same time; further ones wait
    id: int = field(default=0, compare=False, repr=False)  # where the accounts are kept


class LimitReached(Exception):
    """The account has made `most` requests within `seconds`; nothing was done.

    The message is in the words of the service, which its clients read the pause from.
    """

    def __init__(self, account: Account, most: int, seconds: int, retry_after: float) -> None:
        tier = "Premium" if account.premium else "Free"
        requests = "request" if most == 1 else "requests"
        super().__init__(f"{tier} users can make {most} {requests} per {seconds} seconds.")
        self.retry_after = retry_after


class AccountsUnavailable(Exception):
    """Nobody can be let in, because accounts cannot be looked up now."""


class Accounts(Protocol):
    """Keeps accounts, what they used and their chats. All but `end` and `forget` may raise
    AccountsUnavailable."""

    async def find(self, key: str) -> Account | None:
        """Whose key it is."""
        ...

    async def begin(self, account: Account, endpoint: str) -> int:
        """Counts a request before it is worked on; gives a number for it. Raises LimitReached."""
        ...

    def end(self, use: int, status: int, seconds: float) -> None:
        """Notes how it ended, soon. Only DONE and LEFT go on counting against the limits."""
        ...

    def forget(self, use: int) -> None:
        """Takes the request back, soon: it was never worked on."""
        ...

    async def chat(self, account: Account, chat_id: str) -> Sequence[Turn] | None:
        """The turns of a chat, oldest first; None where the account has no such chat."""
        ...

    async def continue_chat(self, account: Account, chat_id: str, turns: Sequence[Turn]) -> None:
        """Adds turns to a chat, which begins with its first ones."""
        ...

    async def close(self) -> None: ...


class SandboxAccounts:
    """The two keys of the sandbox, without limits; its chats are in memory.

    A chat that is not known any more begins anew.
    """

    def __init__(self) -> None:
        self._accounts = {
            SANDBOX_FREE_KEY: Account("free"),
            SANDBOX_PREMIUM_KEY: Account("premium", premium=True),
        }
        self._chats: dict[str, list[Turn]] = {}
        self._characters = 0  # in all chats

    async def find(self, key: str) -> Account | None:
        return self._accounts.get(key)

    async def begin(self, account: Account, endpoint: str) -> int:
        return 0

    def end(self, use: int, status: int, seconds: float) -> None:
        """Nothing is counted."""

    def forget(self, use: int) -> None:
        """Nothing is counted."""

    async def chat(self, account: Account, chat_id: str) -> Sequence[Turn] | None:
        return tuple(self._chats.get(chat_id, ()))

    async def continue_chat(self, account: Account, chat_id: str, turns: Sequence[Turn]) -> None:
        self._chats[chat_id] = [*self._remove(chat_id), *turns][-MOST_TURNS:]
        self._characters += _length(self._chats[chat_id])
        while len(self._chats) > MOST_CHATS or self._characters > MOST_CHAT_CHARACTERS:
            self._remove(next(iter(self._chats)))

    async def close(self) -> None:
        pass

    def _remove(self, chat_id: str) -> list[Turn]:
        turns = self._chats.pop(chat_id, [])
        self._characters -= _length(turns)
        return turns


def _length(turns: Sequence[Turn]) -> int:
    return sum(len(turn["content"]) for turn in turns)
