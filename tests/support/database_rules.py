"""What holds for accounts in any database: each rule is tried with SQLite and with PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from visioncraft.visioncraft_core.errors import ConfigError
from visioncraft.visioncraft_core.serve import database as module
from visioncraft.visioncraft_core.serve.database import Database, Tier, Usage
from visioncraft.visioncraft_core.serve.schema import LEASES, TURNS, USES
from visioncraft.visioncraft_core.service.accounts import (
    DONE,
    LEFT,
    Account,
    LimitReached,
)

TIERS = {False: Tier(per_minute=3, at_once=2), True: Tier(per_day=5)}


class Scene:
    """A database, as the servers see it that share it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stack = ExitStack()

    def __enter__(self) -> Scene:
        self.first = self.another()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def another(self) -> Database:
        made = Database(self._address, TIERS)
        self._stack.callback(made.close_now)
        return made

    async def account(self, name: str, **limits: Any) -> Account:
        premium = limits.pop("premium", False)
        found = await self.first.find(self.first.add_key(name, premium=premium, limits=limits))
        assert found
        return found

    def shift(self, seconds: float) -> None:
        """Makes all that was used earlier, or later."""
        self.first._change(sa.update(USES).values(begun=USES.c.begun + seconds))

    def forget_servers(self, seconds: float) -> None:
        """Lets as much time pass for what is at work."""
        self.first._change(sa.update(LEASES).values(until=LEASES.c.until - seconds))


Rule = Callable[[Scene], Coroutine[Any, Any, None]]


async def written(database: Database) -> None:
    """Everything that was to be noted soon is noted."""
    await asyncio.to_thread(database._write_now)


async def a_key_opens_its_account_until_it_is_replaced_or_disabled(scene: Scene) -> None:
    database, other = scene.first, scene.another()
    key = database.add_key("anna", premium=True, limits={"per_minute": 0})
    assert await other.find(key) == Account("anna", premium=True, per_day=5)
    for wrong in ("", "vc-", key[:-1], key + "x", key.lower(), "\ud800", "x" * 100_000, "\0"):
        assert await other.find(wrong) is None
    new = database.rotate_key("anna")
    assert await other.find(key) is None
    assert await other.find(new)
    database.disable_key("anna")
    assert await other.find(new) is None
    (listed,) = other.list_keys()
    assert (listed.name, listed.ending, listed.disabled) == ("anna", new[-4:], True)
    assert await database.find(database.rotate_key("anna"))


async def names_of_keys_are_judged(scene: Scene) -> None:
    scene.first.add_key("anna")
    for name in ("", "anna", "a b", "x" * 65, "-x", "a\n"):
        with pytest.raises(ConfigError):
            scene.first.add_key(name)
    for change in (scene.first.rotate_key, scene.first.disable_key):
        with pytest.raises(ConfigError, match="no key called nobody"):
            change("nobody")


async def a_limit_counts_what_all_servers_did_and_tells_when_to_come_again(scene: Scene) -> None:
    account, other = await scene.account("anna"), scene.another()
    for database in (scene.first, other, scene.first):
        database.end(await database.begin(account, "/llm"), DONE, 1.0)
    with pytest.raises(LimitReached, match="Free users can make 3 requests per 60 seconds.") as e:
        await other.begin(account, "/upscale")
    assert 55 < e.value.retry_after <= 60
    await written(scene.first)
    scene.shift(-40)
    with pytest.raises(LimitReached) as e:
        await other.begin(account, "/llm")
    assert 15 < e.value.retry_after <= 20
    scene.shift(-21)
    assert await other.begin(account, "/llm")


async def a_limit_of_a_day_is_told_as_one(scene: Scene) -> None:
    account = await scene.account("anna", premium=True)
    for _ in range(5):
        await scene.first.begin(account, "/llm")
    scene.shift(-3600)
    told = "Premium users can make 5 requests per 86400 seconds."
    with pytest.raises(LimitReached, match=told) as error:
        await scene.first.begin(account, "/llm")
    assert 82_000 < error.value.retry_after <= 82_800


async def of_requests_that_come_together_no_more_are_let_in_than_are_allowed(
    scene: Scene,
) -> None:
    account, other = await scene.account("anna"), scene.another()
    databases = [scene.first, other] * 4
    begun = await asyncio.gather(
        *(database.begin(account, "/llm") for database in databases), return_exceptions=True
    )
    assert [type(each) for each in begun].count(LimitReached) == 5
    assert sum(isinstance(each, int) for each in begun) == 3


async def what_made_nothing_is_not_counted(scene: Scene) -> None:
    account, database = await scene.account("anna"), scene.first
    for _ in range(4):
        database.forget(await database.begin(account, "/llm"))
        await written(database)
    for _ in range(4):
        database.end(await database.begin(account, "/llm"), 503, 1.0)
        await written(database)
    for _ in range(2):
        database.end(await database.begin(account, "/llm"), LEFT, 2.0)
    database.end(await database.begin(account, "/llm"), DONE, 3.0)
    with pytest.raises(LimitReached):
        await database.begin(account, "/llm")
    await written(database)
    assert database.usage(1) == [Usage("anna", "/llm", 1, 2, 4, 0, 11.0)]


async def a_clock_that_was_wrong_locks_nobody_out(scene: Scene) -> None:
    account = await scene.account("anna", per_day=4)
    for _ in range(3):
        await scene.first.begin(account, "/llm")
    scene.shift(10**8)  # the clock was set back
    for _ in range(3):
        await scene.first.begin(account, "/llm")
    with pytest.raises(LimitReached):
        await scene.first.begin(account, "/llm")


async def a_chat_belongs_to_the_key_that_began_it(scene: Scene) -> None:
    anna, berta = await scene.account("anna"), await scene.account("berta")
    said = [{"role": "user", "content": "a fox \0\ud800"}, {"role": "assistant", "content": "ok"}]
    await scene.first.continue_chat(anna, "chat-1", said)
    other = scene.another()
    kept = await other.chat(anna, "chat-1")
    assert kept
    assert [turn["content"] for turn in kept] == ["a fox ?", "ok"]
    await other.continue_chat(anna, "chat-1", said)
    assert len(await scene.first.chat(anna, "chat-1") or ()) == 4
    for account, chat_id in ((berta, "chat-1"), (anna, "chat-2"), (anna, "\0"), (anna, "é")):
        assert await other.chat(account, chat_id) is None
    for _ in range(60):
        await scene.first.continue_chat(anna, "chat-1", said)
    assert len(await scene.first.chat(anna, "chat-1") or ()) == 100


async def what_is_old_is_removed_at_the_next_start(scene: Scene) -> None:
    account = await scene.account("anna")
    await scene.first.begin(account, "/llm")
    await scene.first.continue_chat(account, "chat-1", [{"role": "user", "content": "hi"}])
    scene.shift(-401 * 86_400)
    scene.first._change(sa.update(TURNS).values(said=time.time() - 91 * 86_400))
    scene.another()
    assert scene.first.usage(10_000) == []
    assert await scene.first.chat(account, "chat-1") is None


async def no_more_is_at_work_at_once_than_is_allowed_over_all_servers(scene: Scene) -> None:
    await scene.account("anna")
    await scene.account("berta")
    servers = [scene.first, scene.another()] * 5
    asked = [server.take("anna", 2) for server in servers]
    leases = [lease for lease in await asyncio.gather(*asked) if lease is not None]
    assert len(leases) == 2
    assert await scene.first.take("berta", 1) is not None
    assert await scene.first.take("anna", 3) is not None
    for lease in leases:
        scene.first.give_back(lease)
    assert await scene.first.take("anna", 2) is not None


async def what_a_server_had_at_work_that_died_counts_no_longer_than_its_lease(
    scene: Scene,
) -> None:
    await scene.account("anna")
    other = scene.another()
    assert await other.take("anna", 1) is not None
    scene.forget_servers(module.LEASE - 5)
    assert await scene.first.take("anna", 1) is None
    await asyncio.to_thread(other._do, other._extend)
    scene.forget_servers(module.LEASE - 5)
    assert await scene.first.take("anna", 1) is None
    scene.forget_servers(6)
    assert await scene.first.take("anna", 1) is not None


async def whoever_leaves_while_it_is_noted_is_not_counted(scene: Scene) -> None:
    account = await scene.account("anna", per_minute=1, at_once=1)
    database = scene.first
    direct, database._direct = database._direct, None  # as where another program writes
    for noted in (database.begin(account, "/llm"), database.take("anna", 1)):
        asked = asyncio.ensure_future(noted)
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
    database._direct = direct
    while await database.take("anna", 1) is None:
        await asyncio.sleep(0.01)
    while True:
        with suppress(LimitReached):
            assert await database.begin(account, "/llm")
            return
        await asyncio.sleep(0.01)


async def limits_of_a_tier_change_at_once(scene: Scene) -> None:
    key = scene.first.add_key("anna")
    scene.first.tiers = {False: Tier(per_minute=7)}
    found = await scene.first.find(key)
    assert found == Account("anna", per_minute=7)
    assert replace(found, per_minute=0).premium is False


async def a_database_that_failed_is_well_when_it_can_be_written(scene: Scene) -> None:
    await scene.account("anna")
    scene.first._failed = True
    await scene.first.check()
    assert not scene.first._failed
    assert scene.first._all(sa.select(LEASES)) == []


def all_rules() -> list[Rule]:
    return [
        a_key_opens_its_account_until_it_is_replaced_or_disabled,
        names_of_keys_are_judged,
        a_limit_counts_what_all_servers_did_and_tells_when_to_come_again,
        a_limit_of_a_day_is_told_as_one,
        of_requests_that_come_together_no_more_are_let_in_than_are_allowed,
        what_made_nothing_is_not_counted,
        a_clock_that_was_wrong_locks_nobody_out,
        a_chat_belongs_to_the_key_that_began_it,
        what_is_old_is_removed_at_the_next_start,
        no_more_is_at_work_at_once_than_is_allowed_over_all_servers,
        what_a_server_had_at_work_that_died_counts_no_longer_than_its_lease,
        whoever_leaves_while_it_is_noted_is_not_counted,
        limits_of_a_tier_change_at_once,
        a_database_that_failed_is_well_when_it_can_be_written,
    ]
