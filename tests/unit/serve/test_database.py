"""Keys, what they may use, and their chats, in SQLite; tests/engines tries PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.database_rules import Scene, all_rules
from visioncraft.visioncraft_core.errors import ConfigError
from visioncraft.visioncraft_core.serve import database as module
from visioncraft.visioncraft_core.serve import database_engine
from visioncraft.visioncraft_core.serve.database import Database
from visioncraft.visioncraft_core.service.accounts import DONE, AccountsUnavailable


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(f"sqlite:///{tmp_path / 'accounts.db'}") as made:
        yield made


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.__name__)
def test_the_rules_of_accounts(rule: Any, scene: Scene):
    asyncio.run(rule(scene))


def test_the_file_holds_no_key_and_is_its_owners(scene: Scene, tmp_path: Path):
    key = scene.first.add_key("anna")
    scene.first.close_now()
    files = list(tmp_path.glob("accounts.db*"))
    assert key[3:].encode() not in b"".join(path.read_bytes() for path in files)
    assert {path.stat().st_mode & 0o077 for path in files} == {0}


def test_a_database_that_somebody_else_holds_lets_nobody_in(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    key = scene.first.add_key("anna")
    monkeypatch.setattr(database_engine, "PATIENCE", 0.05)
    database = scene.another()
    account = asyncio.run(database.find(key))
    assert account
    with sqlite3.connect(tmp_path / "accounts.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")  # it can be read still, as on a full disk
        with pytest.raises(AccountsUnavailable):
            asyncio.run(database.begin(account, "/llm"))
        with pytest.raises(AccountsUnavailable):
            asyncio.run(database.check())
        other.execute("ROLLBACK")
    asyncio.run(database.check())
    assert asyncio.run(database.begin(account, "/llm"))


def test_what_could_not_be_noted_is_noted_when_the_database_is_free_again(
    scene: Scene,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setattr(database_engine, "PATIENCE", 0.01)
    monkeypatch.setattr(module, "AGAIN", 0.01)
    database = scene.another()

    async def use() -> None:
        account = await scene.account("anna")
        first, second = [await database.begin(account, "/llm") for _ in range(2)]
        with sqlite3.connect(tmp_path / "accounts.db", isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            database.end(first, DONE, 1.0)
            while not caplog.records:
                await asyncio.sleep(0.01)
            database.end(second, DONE, 1.0)
            other.execute("ROLLBACK")
        while database.usage(1)[0].done < 2:
            await asyncio.sleep(0.01)

    asyncio.run(use())


def test_nobody_waits_until_all_before_have_waited_for_a_database(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database_engine, "PATIENCE", 0.3)
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    database = scene.another()

    async def ask() -> list[int | BaseException]:
        account = await scene.account("anna")
        asked = [database.begin(account, "/llm") for _ in range(40)]
        with sqlite3.connect(tmp_path / "accounts.db", isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            begun = time.monotonic()
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert time.monotonic() - begun < 6  # 12 s if each of them waits in turn
            other.execute("ROLLBACK")
        return answers

    assert {type(answer) for answer in asyncio.run(ask())} == {AccountsUnavailable}


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("mysql://localhost/x", "Write sqlite:///FILE"),
        ("nonsense", "Write sqlite:///FILE"),
        ("sqlite:////dev/null/x.db", "Choose another `data` folder"),
        ("postgresql://nobody@127.0.0.1:1/x", "Start it, or correct"),
    ],
)
def test_a_database_that_cannot_be_used_is_told(address: str, told: str):
    with pytest.raises(ConfigError, match=told):
        Database(address)


def test_a_file_that_is_no_database_is_told_and_left_alone(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes " * 200)
    with pytest.raises(ConfigError, match="not a database"):
        Database(f"sqlite:///{path}")
    assert path.read_text() == "my notes " * 200
