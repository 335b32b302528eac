"""Accounts in a real PostgreSQL: a cluster of its own, on loopback, that ends with the tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.database_rules import Scene, all_rules
from support.own_servers import PAINTED, served
from support.postgresql import Cluster, running
from visioncraft.visioncraft_core.service.accounts import AccountsUnavailable

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running() as made:
        yield made


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.__name__)
def test_the_rules_of_accounts(rule: Any, cluster: Cluster):
    with Scene(cluster.new_database("rules")) as scene:
        asyncio.run(rule(scene))


def test_while_the_database_is_away_nobody_is_let_in_and_afterwards_all_goes_on(
    cluster: Cluster, tmp_path: Path
):
    server = f'database = "{cluster.new_database("away")}"'
    with served(tmp_path, PAINTED, server) as own:
        assert own.ask().ok
        cluster.stop()
        try:
            refused = own.ask()
            ready = own.get("/health/ready")
        finally:
            cluster.start()
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert "postgres" not in refused.text
        assert (ready.status_code, ready.json()["database"]) == (503, "away")
        assert own.ask().ok
        assert own.get("/health/ready").status_code == 200


def test_a_database_that_went_away_is_told_to_the_server_only(cluster: Cluster):
    with Scene(cluster.new_database("gone")) as scene:
        key = scene.first.add_key("anna")
        cluster.stop()
        try:
            with pytest.raises(AccountsUnavailable) as error:
                asyncio.run(scene.first.find(key))
        finally:
            cluster.start()
        assert not str(error.value)
