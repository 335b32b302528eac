"""Keys, what they may use, and their chats, in SQLite; tests/engines tries PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.database_rules import Scene, all_rules
from visioncraft.visioncraft_core.errors import ConfigError
from visioncraft.visioncraft_core.serve import database_engine
from visioncraft.visioncraft_core.serve.database import Database
from visioncraft.visioncraft_core.service.accounts import AccountsUnavailable


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
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(AccountsUnavailable):
            asyncio.run(database.begin(account, "/llm"))
        other.execute("ROLLBACK")
    assert asyncio.run(database.begin(account, "/llm"))


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
